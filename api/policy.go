package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/payment"
	"mohur/risk"
	"mohur/tokens"
)

// policyOut is the policy in force in readable form, with the limits that
// clauses 5.22, 5.23 and 5.32 ask to be set.
type policyOut struct {
	Version  int            `json:"version"`
	Login    loginRule      `json:"login"`
	Payments paymentRules   `json:"payments"`
	OTP      []otpRule      `json:"otp"`
	Ceiling  tokens.Windows `json:"otp_ceiling"` // no profile goes beyond
	Attempts attemptRules   `json:"attempts"`
	Sessions sessionRules   `json:"sessions"`
	Guessing guessingRules  `json:"guessing"`
	PIN      pinRules       `json:"pin"`
	Signals  map[string]int `json:"signals"`
	Currency string         `json:"currency"`
	Source   string         `json:"source"`         // "built in", "configuration" or "adopted"
	From     time.Time      `json:"effective_from"` // of the text below
	SHA256   string         `json:"sha256"`         // of the text below, hex
	YAML     string         `json:"yaml"`           // as it was written: scores and rules stand here

	Since      time.Time    `json:"in_force_since"`
	Board      string       `json:"board_decision,omitzero"`
	ApprovedBy string       `json:"approved_by,omitzero"`
	Scheduled  []versionOut `json:"scheduled"` // versions whose time has not come
	Shadow     *shadowOut   `json:"shadow,omitzero"`
}

type loginRule struct {
	ACR string `json:"acr"`
}

type paymentRules struct {
	LowValue struct {
		Each    payment.Money `json:"each"`
		InARow  int64         `json:"in_a_row"`
		InSum   payment.Money `json:"in_sum"`
		Highest int           `json:"highest_score"`
	} `json:"low_value"`
	ProofUpTo        payment.Money `json:"proof_up_to"`
	ACR              string        `json:"acr"`
	Shown            string        `json:"shown"`
	Above            string        `json:"above"`
	DailyPerCustomer payment.Money `json:"daily_per_customer"`
}

// otpRule is what a device profile can do, and how far its one-time passwords reach
// (clause 5.23).
type otpRule struct {
	Profile     string         `json:"profile"`
	Title       string         `json:"title"`
	PINOnDevice bool           `json:"pin_on_device"`
	Software    bool           `json:"software"`
	Binds       bool           `json:"binds"`
	Shown       string         `json:"shown"`
	Windows     tokens.Windows `json:"windows"`
	ValidFor    map[string]int `json:"valid_seconds_by_step"` // the longest a TOTP is taken for, drift aside
}

type attemptRules struct {
	Life    int `json:"life_seconds"`
	Answers int `json:"answers"`
	Open    int `json:"open_per_customer"`
}

type sessionRules struct {
	Idle        int `json:"idle_seconds"`
	Absolute    int `json:"absolute_seconds"`
	AccessToken int `json:"access_token_seconds"`
}

type guessingRules struct {
	Failures int    `json:"failures"`
	Locks    []int  `json:"locks_seconds"`
	Then     string `json:"then"`
}

// pinRules say which PINs may be chosen, beside the patterns and common PINs that
// never may.
type pinRules struct {
	From    int `json:"digits_from"`
	To      int `json:"digits_to"`
	History int `json:"history"`
	MinAge  int `json:"min_age_seconds"`
	MaxAge  int `json:"max_age_seconds"`
}

// getPolicy returns the policy in force.
func (x *exchange) getPolicy(context.Context) (reply, error) {
	e, s := x.server.Rules.Present(), x.server.Authn.Settings
	p := e.Rules
	out := policyOut{
		Version: p.Version, Source: sourceOf(p), Since: e.Since().UTC(), Board: e.Record.Board, ApprovedBy: e.Record.Checker, Scheduled: []versionOut{}, Shadow: x.shadowOf(), From: p.From.UTC(), SHA256: fmt.Sprintf("%x", sha256.Sum256(p.Source)), YAML: string(p.Source), Currency: "AZN", Login: loginRule{ACR: p.LoginACR}, Payments: paymentRulesOf(p),
		Attempts: attemptRules{Life: seconds(s.AttemptLife), Answers: s.MaxAnswers, Open: s.MaxOpen},
		Sessions: sessionRules{Idle: seconds(s.Idle), Absolute: seconds(s.Absolute), AccessToken: seconds(s.TokenLife)},
		Guessing: guessingOf(s.Limits), PIN: pinRulesOf(x.server.Enrollment.PINRules, s.PINMaxAge), Signals: map[string]int{"missing": p.MissingSignal},
	}
	if e.Adopted() {
		out.Source = "adopted"
	}
	for _, next := range x.server.Rules.Scheduled() {
		out.Scheduled = append(out.Scheduled, x.versionOf(next.Record, e))
	}
	out.Ceiling = tokens.Ceiling()
	for _, profile := range tokens.Profiles() {
		if profile.Bare() {
			continue // its answers live as long as the attempt
		}
		out.OTP = append(out.OTP, otpRuleOf(profile))
	}
	return ok(out)
}

func paymentRulesOf(p risk.Policy) paymentRules {
	money := func(minor int64) payment.Money { return payment.FromMinor(minor, "AZN") }
	out := paymentRules{
		ProofUpTo: money(p.LinkedUpTo), ACR: p.PaymentACR, Shown: p.PaymentShown, Above: string(risk.Held), DailyPerCustomer: money(p.DailyPerCustomer),
	}
	out.LowValue.Each, out.LowValue.InSum = money(p.LowValueEach), money(p.LowValueSum)
	out.LowValue.InARow, out.LowValue.Highest = p.LowValueInRow, p.MaxExemptScore
	return out
}

func otpRuleOf(p tokens.Profile) otpRule {
	out := otpRule{
		Profile: p.Name, Title: p.Title, PINOnDevice: p.PINOnDevice, Software: p.Software, Binds: p.Binds, Shown: p.Shown, Windows: p.Bounded(),
		ValidFor: map[string]int{},
	}
	for _, step := range p.Steps {
		out.ValidFor[strconv.Itoa(step)] = p.ValidFor(step)
	}
	return out
}

func pinRulesOf(r pin.Rules, most time.Duration) pinRules {
	from, to := r.Digits()
	return pinRules{From: from, To: to, History: r.Remembered(), MinAge: seconds(r.MinAge), MaxAge: seconds(most)}
}

func guessingOf(l lock.Limits) guessingRules {
	out := guessingRules{Failures: int(l.Failures), Then: "locked until the bank unlocks"}
	for _, d := range l.Ladder {
		out.Locks = append(out.Locks, seconds(d))
	}
	return out
}

func seconds(d time.Duration) int { return int(d / time.Second) }
