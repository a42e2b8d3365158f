package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"mohur/store"
)

// schema is the version of what this package writes. A store of a newer one is
// refused: it may say what this program would overlook. With that, records need
// no check for unknown members.
const schema = 1

// The rows of the meta bucket.
const (
	metaSchema  = "schema"
	metaNode    = "node"
	metaBankKey = "bank-key"
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = time.Second

// mapAhead is how much of the address space is kept for the file to grow into.
// Growing beyond it makes every reader and the writer wait for one another.
const mapAhead = 1 << 30

var errHeld = errors.New("the store is held by a running server")

// openFile opens the file, takes its lock and checks it, in this order: the
// pages of a file that another process writes to look damaged.
func openFile(path string, flag int, mode os.FileMode) (f *os.File, err error) {
	if f, err = os.OpenFile(path, flag, mode); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err = lock(f); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > 0 {
		err = checkPages(f, info.Size())
	}
	return f, err
}

// lock takes the lock that bbolt takes again afterwards, which on the same open
// file is no second one.
func lock(f *os.File) error {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock: %w", err)
		case time.Now().After(deadline):
			return errHeld
		}
	}
}

// openDB opens the file. bbolt answers some damage with a panic; that is an
// error here, and the file is let go of.
func openDB(path string, mustExist bool) (db *bbolt.DB, err error) {
	var f *os.File
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: %v", store.ErrDamaged, p)
		}
		if err != nil && f != nil {
			f.Close()
		}
	}()
	size, err := sizeOf(path, mustExist)
	if err != nil {
		return nil, err
	}
	return bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         lockWait,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		NoStatistics:    true,
		InitialMmapSize: int(size) + mapAhead,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err = openFile(path, flag, mode)
			return f, err
		},
	})
}

// sizeOf returns the size of the file, 0 if it is to be made. A file that is
// there and empty is not taken for a new bank: something has emptied it.
func sizeOf(path string, mustExist bool) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !mustExist:
		return 0, nil
	case err != nil:
		return 0, err
	case info.Size() == 0:
		return 0, fmt.Errorf("%w: the file is empty", store.ErrDamaged)
	}
	return info.Size(), nil
}

// syncDir makes the name of a new file as durable as what is written to it.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// prepare makes the buckets of a new store, and examines one that is there.
func prepare(tx *bbolt.Tx, node string) error {
	meta := tx.Bucket([]byte(names[inMeta]))
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return errors.New("the file is a bbolt file, but not a store of this server")
		}
		return create(tx, node)
	}
	if err := checkMeta(meta, node); err != nil {
		return err
	}
	for b, name := range names {
		if !bucket(b).known() || tx.Bucket([]byte(name)) != nil {
			continue
		}
		if !slices.Contains(later, bucket(b)) {
			return fmt.Errorf("%w: the part %q is missing", store.ErrDamaged, name)
		}
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return endApprovals(tx)
}

// later are the parts that stores of an earlier build lack.
var later = []bucket{inPolicies, inRates, inDecisions, inMemories, inHalves, inApprovals, approvalsByAge, inMetadata, tokenNames, inPermits,
	inLimits, transactionsHeld,
	inAuthorities, inCertificates, certifiedKeys, certificatesByToken, certificatesRevoked, inHolders}

func create(tx *bbolt.Tx, node string) error {
	for b, name := range names {
		if !bucket(b).known() {
			continue
		}
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	meta := tx.Bucket([]byte(names[inMeta]))
	if err := meta.Put([]byte(metaSchema), binary.BigEndian.AppendUint32(nil, schema)); err != nil {
		return err
	}
	return meta.Put([]byte(metaNode), []byte(node))
}

// checkMeta refuses what this program cannot read, and another node's log: two
// names in one sequence could not be told from an inserted entry.
func checkMeta(meta *bbolt.Bucket, node string) error {
	b := meta.Get([]byte(metaSchema))
	if len(b) != 4 {
		return fmt.Errorf("%w: it has no schema version", store.ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b); v != schema {
		return fmt.Errorf("the store has schema %d, written by another version of this server; this one knows schema %d", v, schema)
	}
	if own := string(meta.Get([]byte(metaNode))); own != node {
		return fmt.Errorf("the store belongs to node %q, the configuration says %q", own, node)
	}
	return nil
}
