package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mohur/agent"
	"mohur/agent/device"
	"mohur/agent/linked"
	"mohur/agent/pcsc"
)

// readerView is a reader as it is told.
type readerView struct {
	Reader  string `json:"reader"`
	Card    bool   `json:"card"`
	Mute    bool   `json:"mute,omitempty"`
	InUse   bool   `json:"in_use,omitempty"`
	ATR     string `json:"atr,omitempty"`
	Profile string `json:"profile,omitempty"`
	Known   bool   `json:"known,omitempty"`
}

func view(r pcsc.Reader, c *device.Catalog) readerView {
	v := readerView{Reader: r.Name, Card: r.Present, Mute: r.Mute, InUse: r.InUse}
	if r.ATR != nil {
		profile, known := c.ByATR(r.ATR)
		v.ATR, v.Profile, v.Known = fmt.Sprintf("%X", r.ATR), profile.Name, known
	}
	return v
}

func (v readerView) String() string {
	state := "no card"
	switch {
	case v.Mute:
		state = "a card that does not answer; turn it round"
	case v.Card && v.Known:
		state = "card " + v.ATR + ": " + v.Profile
	case v.Card:
		state = "card " + v.ATR + ", which no profile knows; tried as " + v.Profile
	}
	return linked.Show(v.Reader) + ": " + state
}

func (p *program) views(readers []pcsc.Reader) ([]readerView, error) {
	catalog, err := p.catalog()
	if err != nil {
		return nil, err
	}
	views := make([]readerView, 0, len(readers))
	for _, r := range readers {
		views = append(views, view(r, catalog))
	}
	return views, nil
}

// catalog is that of the configuration; without one, of the house.
func (p *program) catalog() (*device.Catalog, error) {
	c, err := agent.LoadConfig(p.config)
	if err != nil && p.config != "" {
		return nil, err
	}
	if err != nil {
		return device.Load("")
	}
	return device.Load(c.Profiles)
}

func (p *program) readersCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "readers", Short: "list card readers and the cards in them",
		Example: "  mohur-card readers --json", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			readers, err := agent.Readers(cmd.Context())
			if err != nil {
				return err
			}
			views, err := p.views(readers)
			if err != nil {
				return err
			}
			return p.tell(views)
		},
	}))
}

func (p *program) tell(views []readerView) error {
	if p.json {
		return p.print(map[string]any{"readers": views})
	}
	if len(views) == 0 {
		_, err := fmt.Fprintln(p.out, "there is no card reader; plug one in")
		return err
	}
	for _, v := range views {
		if _, err := fmt.Fprintln(p.out, v); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) watchCommand() *cobra.Command {
	return p.jsonFlag(p.configFlag(&cobra.Command{
		Use: "watch", Short: "tell when a reader or a card comes or goes, until interrupted",
		Example: "  mohur-card watch", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.watch(cmd.Context()) },
	}))
}

func (p *program) watch(ctx context.Context) error {
	err := agent.Watch(ctx, func(readers []pcsc.Reader) error {
		views, err := p.views(readers)
		if err != nil {
			return err
		}
		if !p.json {
			fmt.Fprintln(p.out, time.Now().Format("15:04:05"))
		}
		return p.tell(views)
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
