package otp

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"mohur/hsm"
	"mohur/tokens/ocra"
)

// Suite is a parsed OCRA suite; see package ocra.
type Suite = ocra.Suite

// Input is what an OCRA response is computed over; see package ocra.
type Input = ocra.Input

// The errors of suites and inputs; see package ocra.
var (
	ErrSuite = ocra.ErrSuite
	ErrInput = ocra.ErrInput
	ErrTyped = ocra.ErrTyped
)

// ParseSuite reads a suite as RFC 6287 section 6 has it, or says ErrSuite.
func ParseSuite(text string) (Suite, error) { return ocra.ParseSuite(text) }

// Compute is one OCRA response of any mode (RFC 6287 section 7), computed in the
// HSM: the suite's number of digits. It judges nothing and uses nothing up.
func Compute(ctx context.Context, m HSM, seed hsm.WrappedSeed, s Suite, in Input) (string, error) {
	data, err := s.DataInput(in)
	if err != nil {
		return "", err
	}
	sums, err := hmacs(ctx, m, seed, s.Hash, nil, [][]byte{data})
	if err != nil {
		return "", err
	}
	return Truncate(sums[0], s.Digits), nil
}

// hashPIN is the P of a suite.
func hashPIN(h hsm.Hash, pin string) []byte {
	switch h {
	case hsm.SHA1:
		sum := sha1.Sum([]byte(pin))
		return sum[:]
	case hsm.SHA256:
		sum := sha256.Sum256([]byte(pin))
		return sum[:]
	case hsm.SHA512:
		sum := sha512.Sum512([]byte(pin))
		return sum[:]
	}
	return nil
}

// leastMutual is the shortest question of mutual mode: what the server answers is
// not throttled by failures, so a question must not come again by chance.
const leastMutual = 8

// ErrMutual says that the server does not answer a client's question.
var ErrMutual = errors.New("otp: no mutual challenge-response with these suites and questions")

// ServerResponse is the server's half of mutual challenge-response (RFC 6287
// section 7.2): RS = OCRA(K, [C] | QC | QS | [S | T]) under the server's suite. It
// is given to the client together with QS, r.Question, and before the client
// answers: who cannot make it does not know the seed, and the client stops. The
// client's answer is then judged by Verify with the same r. Nothing is used
// up here, and r.Code is not looked at.
//
// Both questions have the full length of the credential's suite, or one pair could
// be split in two ways. The server's suite has the same counter, time and form of
// question, takes no PIN, and is another text than the credential's: with one suite
// both ways, a server's response is a client's response to the questions
// exchanged. Anything else is ErrMutual.
func ServerResponse(ctx context.Context, m HSM, r Response, server Suite) (string, error) {
	client, err := r.suite()
	if err != nil {
		return "", err
	}
	switch {
	case server.Text == client.Text:
		return "", fmt.Errorf("%w: the server's suite is the client's", ErrMutual)
	case server.PINHash != 0:
		return "", fmt.Errorf("%w: the server's suite takes a PIN", ErrMutual)
	case server.Counter != client.Counter || server.TimeStep != client.TimeStep:
		return "", fmt.Errorf("%w: one suite has a counter or a time that the other has not", ErrMutual)
	case server.QuestionFormat != client.QuestionFormat || server.QuestionLength != client.QuestionLength || client.QuestionLength < leastMutual:
		return "", fmt.Errorf("%w: the questions of both suites need one form, of %d characters or more", ErrMutual, leastMutual)
	case !fullQuestion(client, r.Question) || !fullQuestion(client, r.ClientQuestion) || r.Question == r.ClientQuestion:
		return "", fmt.Errorf("%w: both questions need the suite's full length, and to differ", ErrMutual)
	}
	s, _, err := r.begin()
	if err != nil {
		return "", err
	}
	return Compute(ctx, m, r.Credential.Seed, server, Input{
		Question: r.ClientQuestion + r.Question, Counter: r.Hot.Counter, Session: r.Session, Time: uint64(max(0, s.now+s.drift(r))),
	})
}

func fullQuestion(s Suite, q string) bool { return len(q) == s.QuestionLength && s.Fits(q) }

// suite is the credential's, and fits its record.
func (r Response) suite() (Suite, error) {
	s, err := ParseSuite(r.Credential.Suite)
	if err != nil {
		return Suite{}, err
	}
	if s.Digits != r.Credential.Digits || s.Hash != r.Credential.Hash {
		return Suite{}, fmt.Errorf("%w: digits or hash are not the suite's", ErrCredential)
	}
	if why := s.Fault(); why != "" {
		return Suite{}, fmt.Errorf("%w: %s", ErrCredential, why)
	}
	return s, nil
}
