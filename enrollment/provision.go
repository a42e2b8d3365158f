package enrollment

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"image/png"

	oath "github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"mohur/tokens"
)

// Provision is how a seed gets into an authenticator app.
type Provision struct {
	URI string // otpauth://…, the Key URI format
	QR  string // the same as a picture: a data: URI of a PNG
}

// qrSide is the width of the picture in pixels.
const qrSide = 320

// provision names the bank, the customer and the end of the serial, by which the
// token is named when it is asked for.
func (s *Service) provision(cmd AppCommand, t tokens.Token, seed []byte) (Provision, error) {
	account := fmt.Sprintf("%s (%s)", cmp.Or(cmd.Label, cmd.Customer), t.Serial[len(t.Serial)-4:])
	var key *oath.Key
	var err error
	switch cmd.Kind {
	case tokens.TOTP:
		key, err = totp.Generate(totp.GenerateOpts{Issuer: s.bankName(), AccountName: account, Secret: seed, Period: appStep, Digits: appDigits, Algorithm: oath.AlgorithmSHA1})
	default:
		if key, err = hotp.Generate(hotp.GenerateOpts{Issuer: s.bankName(), AccountName: account, Secret: seed, Digits: appDigits, Algorithm: oath.AlgorithmSHA1}); err == nil {
			key, err = oath.NewKeyFromURL(key.URL() + "&counter=0") // the format asks for it, the package leaves it out
		}
	}
	if err != nil {
		return Provision{}, err
	}
	picture, err := key.Image(qrSide, qrSide)
	if err != nil {
		return Provision{}, err
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		return Provision{}, err
	}
	return Provision{URI: key.URL(), QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(file.Bytes())}, nil
}
