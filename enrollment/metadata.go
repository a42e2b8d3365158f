package enrollment

import (
	"context"
	"errors"
	"fmt"

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// MetadataFloor is the highest number of a signer's FIDO metadata that was ever in
// force here, the zero Number before the first.
func (s *Service) MetadataFloor(ctx context.Context, signer string) (fido.Number, error) {
	m, err := s.metadata(ctx, signer)
	return fido.Number{No: m.No, SHA256: m.SHA256}, err
}

// KeepMetadata records that a signer's metadata of this number is in force. One that
// is not above what was recorded, and is not the very same, is an error.
func (s *Service) KeepMetadata(ctx context.Context, signer string, n fido.Number) error {
	for range maxTries {
		m, err := s.metadata(ctx, signer)
		switch {
		case err != nil:
			return err
		case m.No == n.No && m.SHA256 == n.SHA256:
			return nil
		case n.No <= m.No:
			return fmt.Errorf("enrollment: metadata number %d was in force already, %d is none to go on from", m.No, n.No)
		}
		before := m.No
		m.No, m.SHA256, m.At, m.Version = n.No, n.SHA256, s.Now().UTC(), m.Version+1
		r, err := s.settle(ctx, []settle.Effect{tokens.SaveMetadata{Metadata: m}}, audit.Event{
			Name: "fido.metadata.number", Outcome: "kept", Caller: rechecker.ID,
			Detail: map[string]any{"signer": signer, "number": n.No, "sha256": n.SHA256, "before": before},
		})
		if err != nil {
			return err
		}
		if r.Outcome == settle.Done {
			return nil
		}
	}
	return errContended
}

// metadata is the record of a signer; a new one has version 0.
func (s *Service) metadata(ctx context.Context, signer string) (tokens.Metadata, error) {
	m, err := s.Store.Metadata(ctx, signer)
	switch {
	case errors.Is(err, parties.ErrNotFound):
		return tokens.Metadata{Signer: signer}, nil
	case err != nil:
		return m, problem.Away(err)
	}
	return m, nil
}
