package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"encoding/base64"

	"github.com/spf13/cobra"

	"mohur/agent"
)

// ask does one command of the protocol and prints its answer.
func (p *program) ask(ctx context.Context, command string, args map[string]string) error {
	a, err := p.agent(true)
	if err != nil {
		return err
	}
	for name, value := range args {
		if value == "" {
			delete(args, name)
		}
	}
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	answer, err := a.Do(ctx, agent.Request{Command: command, Arguments: text}, false)
	if err != nil {
		return err
	}
	return p.print(answer)
}

// asking is a command of the protocol with the flags that all have.
func (p *program) asking(cmd *cobra.Command, name string, args map[string]*string) *cobra.Command {
	origin, lang := "", ""
	cmd.Flags().StringVar(&origin, "origin", "", "the bank's page, as `https://login.bank.example`")
	cmd.Flags().StringVar(&lang, "lang", "", "`LANGUAGE` of the dialogs: az, en, ru")
	cmd.Args = none
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if origin == "" {
			return usagef("needs --origin")
		}
		all := map[string]string{"origin": origin, "lang": lang}
		for k, v := range args {
			all[k] = *v
		}
		return p.ask(cmd.Context(), name, all)
	}
	return p.configFlag(cmd)
}

func (p *program) authenticateCommand() *cobra.Command {
	nonce := ""
	cmd := p.asking(&cobra.Command{
		Use: "authenticate", Short: "log in or confirm with a card: print the token",
		Long:    "It does what a page would have it do, dialogs and all, and prints the token that the\npage would send to the bank.",
		Example: "  mohur-card authenticate --origin https://login.bank.example --nonce 3q2+7w…=",
	}, agent.Authenticate, map[string]*string{"challengeNonce": &nonce})
	cmd.Flags().StringVar(&nonce, "nonce", "", "the `NONCE` that the bank gave, base64")
	return cmd
}

func (p *program) certificateCommand() *cobra.Command {
	return p.asking(&cobra.Command{
		Use: "certificate", Short: "print the signing certificate of a card",
		Example: "  mohur-card certificate --origin https://login.bank.example",
	}, agent.GetSigningCertificate, nil)
}

func (p *program) signCommand() *cobra.Command {
	hash, function, file, certificate := "", "", "", ""
	cmd := p.asking(&cobra.Command{
		Use: "sign", Short: "sign a payment with a signing certificate",
		Example: "  mohur-card sign --origin https://login.bank.example --hash 3q2+7w…= --certificate card.pem",
	}, agent.Sign, map[string]*string{"hash": &hash, "hashFunction": &function, "certificate": &certificate})
	cmd.Flags().StringVar(&hash, "hash", "", "`HASH` of the text, base64")
	cmd.Flags().StringVar(&function, "hash-function", "SHA-256", "`NAME` of the hash: SHA-256, SHA-384, SHA-512")
	cmd.Flags().StringVar(&file, "certificate", "", "`FILE` with the certificate to sign with, PEM or DER")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file == "" {
			return usagef("needs --certificate; `mohur-card certificate` prints it")
		}
		der, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("the certificate cannot be read: %w", err)
		}
		if block, _ := pem.Decode(der); block != nil {
			der = block.Bytes
		}
		certificate = base64.StdEncoding.EncodeToString(der)
		return run(cmd, args)
	}
	return cmd
}
