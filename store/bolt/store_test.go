package bolt

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"mohur/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		return tampered{openTest(t, Options{})}
	})
}

// openTest opens a new store that is closed with the test.
func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "bank.db")
	}
	if o.Node == "" {
		o.Node = "n1"
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tampered is a store whose file can be edited behind its back.
type tampered struct{ *Store }

func (s tampered) EditHot(t *testing.T, id string, edit func(row []byte) []byte) {
	t.Helper()
	edited(t, s.Store, inHot, id, edit)
}

// edited changes a value without the committer.
func edited(t testing.TB, s *Store, b bucket, key string, edit func([]byte) []byte) {
	t.Helper()
	var id int
	err := s.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		rows := tx.Bucket([]byte(names[b]))
		value := edit(append([]byte(nil), rows.Get([]byte(key))...))
		if value == nil {
			return rows.Delete([]byte(key))
		}
		return rows.Put([]byte(key), value)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.durable.confirm(id)
}
