package audit_test

import (
	"testing"

	"mohur/audit"
	"mohur/audit/audittest"
)

func TestMemoryIsAStore(t *testing.T) {
	audittest.Run(t, func(*testing.T) (audit.Store, func(...audit.Draft) error) {
		m := &audittest.Memory{Node: "n1"}
		return m, m.Append
	})
}
