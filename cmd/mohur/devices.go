package main

import (
	"fmt"
	"os"

	"mohur/authn/revocation"
	"mohur/enrollment"
	"mohur/tokens"
)

// deviceProfiles reads the bank's own device profiles, none where no file is named.
func (c *Config) deviceProfiles() ([]tokens.Profile, error) {
	if c.Tokens.Profiles == "" {
		return nil, nil
	}
	f, err := os.Open(c.Tokens.Profiles)
	if err != nil {
		return nil, fmt.Errorf("tokens.profiles: %w", err)
	}
	defer f.Close()
	list, err := tokens.LoadProfiles(f)
	if err != nil {
		return nil, fmt.Errorf("tokens.profiles: %s:\n%w", c.Tokens.Profiles, err)
	}
	return list, nil
}

// useProfiles puts them beside those of the house.
func (c *Config) useProfiles() error {
	list, err := c.deviceProfiles()
	if err != nil {
		return err
	}
	if err := tokens.UseProfiles(list); err != nil {
		return fmt.Errorf("tokens.profiles: %s: %w", c.Tokens.Profiles, err)
	}
	return nil
}

// cards checks the certificates of card issuers as the server would at its start.
func (x *examination) cards() {
	if len(x.config.Card.Issuers) == 0 {
		return
	}
	if _, err := x.config.cards(new(revocation.Checker), enrollment.OwnCards{}); err != nil {
		x.bad(failing, "card.issuers", "correct the setting or the file", "%v", err)
		return
	}
	x.ok("card.issuers", "%s in order", count(len(x.config.Card.Issuers), "issuer profile"))
}

// devices checks the file as the server would at its start.
func (x *examination) devices() {
	if x.config.Tokens.Profiles == "" {
		return
	}
	if err := x.config.useProfiles(); err != nil {
		x.bad(failing, "tokens.profiles", "correct the file, or leave the setting out", "%v", err)
		return
	}
	x.ok("tokens.profiles", "%s is in order", x.config.Tokens.Profiles)
}
