// Package bolttest is a thief with the store's file in his hands: he can read
// and write every row, and has neither the server nor the HSM. Tests use it to
// show what he gains.
package bolttest

import (
	"bytes"
	"testing"

	"go.etcd.io/bbolt"
)

// File is a store's file that no server holds open.
type File struct {
	t  testing.TB
	tx *bbolt.Tx
}

// Edit opens the file, lets f edit it and closes it again.
func Edit(t testing.TB, path string, f func(File)) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		f(File{t, tx})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f File) bucket(name string) *bbolt.Bucket {
	f.t.Helper()
	b := f.tx.Bucket([]byte(name))
	if b == nil {
		f.t.Fatalf("the store has no bucket %q", name)
	}
	return b
}

// Get returns what stands under a key; it must be there.
func (f File) Get(bucket, key string) []byte {
	f.t.Helper()
	v := f.bucket(bucket).Get([]byte(key))
	if v == nil {
		f.t.Fatalf("the store has no %q in %q", key, bucket)
	}
	return bytes.Clone(v)
}

// Put writes a row.
func (f File) Put(bucket, key string, value []byte) {
	f.t.Helper()
	if err := f.bucket(bucket).Put([]byte(key), value); err != nil {
		f.t.Fatal(err)
	}
}

// Delete removes a row.
func (f File) Delete(bucket, key string) {
	f.t.Helper()
	if err := f.bucket(bucket).Delete([]byte(key)); err != nil {
		f.t.Fatal(err)
	}
}

// KeyEndingIn returns the one key of a bucket that ends so.
func (f File) KeyEndingIn(bucket, suffix string) string {
	f.t.Helper()
	found := ""
	err := f.bucket(bucket).ForEach(func(k, _ []byte) error {
		if bytes.HasSuffix(k, []byte(suffix)) {
			found = string(k)
		}
		return nil
	})
	if err != nil || found == "" {
		f.t.Fatalf("no key of %q ends in %q: %v", bucket, suffix, err)
	}
	return found
}
