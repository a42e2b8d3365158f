package rulebook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/settle"
)

// AdoptCommand adopts a policy under the number of the board's decision.
type AdoptCommand struct {
	Caller   parties.Caller // who asked for it
	YAML     string
	From     time.Time // as the text says it
	Board    string
	Checker  string // id of who approved it, "" in development
	Approval string
}

// widest is the widest gap between two versions.
const widest = 1000

// late is how far in the past a policy's time may lie when it is asked for: as long
// as a request takes.
const late = time.Minute

// Check refuses what cannot be adopted, before anybody is asked to approve it; with
// every fault of the text.
func (b *Book) Check(cmd AdoptCommand) (risk.Policy, error) {
	p, err := readable(cmd)
	if err == nil {
		err = b.held.Load().admits(p.Version, b.Base.Version)
	}
	if err != nil {
		return risk.Policy{}, err
	}
	var c problem.Check
	now := b.Now()
	c.Unless(!p.From.Before(now.Add(-late)), "effective_from", fmt.Sprintf("lies in the past; now it is %s: write the time from which the policy is to hold, here and in the text",
		now.In(b.Zone).Format(time.RFC3339)))
	return p, c.Err()
}

// The years in which a policy may come into force, in UTC: those of every format in
// which its time is written.
const firstYear, lastYear = 2000, 9000

// readable is what a policy needs by itself.
func readable(cmd AdoptCommand) (risk.Policy, error) {
	p, faults := parse(cmd.YAML)
	var c problem.Check
	for _, f := range faults {
		c.Unless(false, f.Field, f.Message)
	}
	c.Unless(printable(cmd.Board), "board_decision", "needs the number of the decision of the bank's board: 1 to 64 printable characters (clause 5.2)")
	if year := cmd.From.UTC().Year(); year < firstYear || year > lastYear {
		c.Unless(false, "effective_from", fmt.Sprintf("needs a year from %d to %d", firstYear, lastYear))
	} else {
		c.Unless(len(faults) > 0 || cmd.From.Equal(p.From), "effective_from", "needs to be the effective_from of the text: "+p.From.Format(time.RFC3339))
	}
	if err := c.Err(); err != nil {
		return risk.Policy{}, err
	}
	return p, nil
}

// admits refuses a version that is not the next one to come.
func (p *pages) admits(version, base int) error {
	if highest := p.highest(base); version <= highest {
		return problem.New(problem.Conflict, fmt.Sprintf("the policy says version %d, and %d is there; the next is %d: a version means one text for ever", version, highest, highest+1))
	} else if version > highest+widest {
		return problem.New(problem.Conflict, fmt.Sprintf("the policy says version %d; the next is %d, and a gap wider than %d would leave no numbers for those to come", version, highest+1, widest))
	}
	return nil
}

// parse reads a policy; its faults are those of the member yaml.
func parse(yaml string) (risk.Policy, []problem.Field) {
	p, err := policy.Parse([]byte(yaml))
	if err == nil {
		return p, nil
	}
	var all policy.Faults
	if !errors.As(err, &all) {
		return p, []problem.Field{{Field: "yaml", Message: err.Error()}}
	}
	fields := make([]problem.Field, 0, len(all))
	for _, f := range all {
		fields = append(fields, problem.Field{Field: "yaml", Message: policy.Faults{f}.Error()})
	}
	return p, fields
}

func printable(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= 64 && strings.TrimSpace(s) == s && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Adoption is what came of it.
type Adoption struct {
	Policy   Policy
	Warnings []string // of policy.Check
}

// Adopt stores a policy. It is checked again: by the time it is approved another one
// may have its version. What the version is checked against is what the swap of the
// head is made upon, so no version gets in between.
func (b *Book) Adopt(ctx context.Context, cmd AdoptCommand) (Adoption, error) {
	p, err := readable(cmd)
	if err != nil {
		return Adoption{}, err
	}
	warnings := b.trial(ctx, p)
	if err, _ := b.refresh(ctx); err != nil {
		return Adoption{}, problem.Away(err)
	}
	there := b.held.Load()
	if err := there.admits(p.Version, b.Base.Version); err != nil {
		return Adoption{}, err
	}
	head := there.head
	head.Versions, head.Version = append(slices.Clone(head.Versions), p.Version), head.Version+1
	rec := Policy{
		Version: p.Version, YAML: cmd.YAML, From: p.From.UTC(), Board: cmd.Board, Maker: cmd.Caller.ID, Checker: cmd.Checker, Approval: cmd.Approval, At: b.Now().UTC(),
	}
	r, err := settle.Write(ctx, b.Settler, b.Audit, []settle.Effect{SaveHead{head}, SavePolicy{rec}}, []audit.Event{b.event(cmd.Caller, "policy.adopted", "adopted", p.Version, map[string]any{
		"version": p.Version, "sha256": SHA256(p.Source), "effective_from": rec.From, "in_force_since": rec.Since(), "board_decision": rec.Board, "maker": rec.Maker, "checker": rec.Checker, "approval": rec.Approval,
	})})
	if err != nil {
		return Adoption{}, err
	}
	b.turn(ctx)
	if r.Outcome != settle.Done {
		return Adoption{}, b.overtaken(p.Version)
	}
	return Adoption{Policy: rec, Warnings: warnings}, nil
}

// trialFor is how long whoever adopts a policy waits for its trial.
const trialFor = 2 * time.Second

// trial is policy.CheckUntil within bounds: no policy is kept from being adopted by
// what only warns. One is tried at a time.
func (b *Book) trial(ctx context.Context, p risk.Policy) []string {
	ctx, cancel := context.WithTimeout(ctx, trialFor)
	defer cancel()
	select {
	case b.trying <- struct{}{}:
	case <-ctx.Done():
		return []string{"other policies are being tried; run `mohur policy check`"}
	}
	found := make(chan []string, 1)
	go func() {
		defer func() {
			if recover() != nil {
				found <- []string{"the trial over amounts and scores failed; run `mohur policy check` and report what it says"}
			}
			<-b.trying
		}()
		found <- b.check(p, func() bool { return ctx.Err() != nil })
	}()
	select {
	case warnings := <-found:
		if ctx.Err() == nil {
			return warnings
		}
	case <-ctx.Done():
	}
	return []string{"the trial over amounts and scores takes longer than an answer may; run `mohur policy check`"}
}

// overtaken says why a policy was not adopted although nothing stood against it.
func (b *Book) overtaken(version int) error {
	if err := b.held.Load().admits(version, b.Base.Version); err != nil {
		return err
	}
	return problem.New(problem.Conflict, "another policy was changed meanwhile; send it again")
}

// turn reads the store after a change. Where that fails the change stays made, and the
// next Refresh brings it.
func (b *Book) turn(ctx context.Context) { _ = b.Refresh(settle.Aside(context.WithoutCancel(ctx))) }

// SetShadow has a policy tried beside the one in force: what it would have decided is
// on record, and nothing else comes of it.
func (b *Book) SetShadow(ctx context.Context, by parties.Caller, yaml string) (risk.Policy, error) {
	p, faults := parse(yaml)
	var c problem.Check
	for _, f := range faults {
		c.Unless(false, f.Field, f.Message)
	}
	if err := c.Err(); err != nil {
		return p, err
	}
	return p, b.saveShadow(ctx, by, yaml, b.event(by, "policy.shadow.set", "set", p.Version, map[string]any{"version": p.Version, "sha256": SHA256(p.Source)}))
}

// RemoveShadow ends the trial.
func (b *Book) RemoveShadow(ctx context.Context, by parties.Caller) error {
	p, is := b.Shadow()
	if !is && b.ShadowRecord().YAML == "" {
		return problem.New(problem.NotFound, "there is no shadow policy")
	}
	return b.saveShadow(ctx, by, "", b.event(by, "policy.shadow.removed", "removed", p.Version, map[string]any{"version": p.Version, "sha256": SHA256(p.Source)}))
}

func (b *Book) saveShadow(ctx context.Context, by parties.Caller, yaml string, e audit.Event) error {
	if err, _ := b.refresh(ctx); err != nil {
		return problem.Away(err)
	}
	head := b.held.Load().head
	head.Shadow, head.Version = head.Shadow+1, head.Version+1
	rec := Shadow{YAML: yaml, By: by.ID, At: b.Now().UTC(), Version: head.Shadow}
	r, err := settle.Write(ctx, b.Settler, b.Audit, []settle.Effect{SaveHead{head}, SaveShadow{rec}}, []audit.Event{e})
	if err != nil {
		return err
	}
	b.turn(ctx)
	if r.Outcome != settle.Done {
		return problem.New(problem.Conflict, "another policy was changed meanwhile; send it again")
	}
	return nil
}

func (b *Book) event(by parties.Caller, name, outcome string, version int, detail map[string]any) audit.Event {
	detail["source"] = by.Source
	return audit.Event{Name: name, Outcome: outcome, Policy: version, Caller: by.ID, Request: by.Request, Detail: detail}
}
