package pkcs11

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// DecryptCBC decrypts whole blocks under a transport key. Its output may be a
// seed: the caller clears it.
func (m *Module) DecryptCBC(ctx context.Context, key hsm.Key, iv, ciphertext []byte) ([]byte, error) {
	switch {
	case !isTransport(key):
		return nil, m.refuse("DecryptCBC", key, "not a transport key")
	case len(iv) != aes.BlockSize:
		return nil, m.refuse("DecryptCBC", key, "the IV has %d bytes, not %d", len(iv), aes.BlockSize)
	case len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 || len(ciphertext) > maxSealed:
		return nil, m.refuse("DecryptCBC", key, "%d bytes are not whole blocks up to %d", len(ciphertext), maxSealed)
	}
	ownIV, own := bytes.Clone(iv), bytes.Clone(ciphertext)
	return call(ctx, m, "DecryptCBC", key, func(w *worker) ([]byte, error) { return w.decryptCBC(key, ownIV, own) })
}

func (w *worker) decryptCBC(key hsm.Key, iv, ciphertext []byte) ([]byte, error) {
	k, err := w.transport(key, p11.CKO_SECRET_KEY)
	if err != nil {
		return nil, err
	}
	if err := w.ctx.DecryptInit(w.handle, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_CBC, iv)}, k.handle); err != nil {
		return nil, err
	}
	return w.plain.decrypt(w.handle, ciphertext)
}

// transportKind is what a person knows the class of a transport key by.
var transportKind = map[uint]string{p11.CKO_SECRET_KEY: "AES", p11.CKO_PRIVATE_KEY: "RSA"}

// transport finds a transport key at its first use: these come and go while the
// server runs. One that another process deletes makes the next call fail as a
// lost session does, and the next generation does not find it. A key of another
// class is the caller's mistake; the module would say the same as of a handle that
// became another's, and that costs a log-in.
func (w *worker) transport(key hsm.Key, class uint) (object, error) {
	t := &w.g.transports
	t.Lock()
	k, known := t.found[key]
	t.Unlock()
	if !known {
		found, err := w.lookup(key)
		if err != nil {
			return object{}, err
		}
		if len(found) == 0 {
			return object{}, inputFault("%s", noTransport)
		}
		k = found[0]
		t.Lock()
		t.found[key] = k
		t.Unlock()
	}
	if k.class != class {
		return object{}, inputFault("the transport key is of kind %s, not %s", transportKind[k.class], transportKind[class])
	}
	return k, nil
}

const noTransport = "the token has no such transport key: run `mohur keys import-transport`"

func (l *link) lookup(key hsm.Key) (found []object, err error) {
	all, err := l.inventory()
	for _, o := range all {
		if o.key == key {
			found = append(found, o)
		}
	}
	return found, err
}

// ImportTransport brings an AES key of 16 or 32 bytes into the token as
// transport-NAME: it decrypts, and does nothing else, and does not come out
// again. The bytes are cleared once it is in. A name that exists is refused.
func (m *Module) ImportTransport(ctx context.Context, name string, key []byte) error {
	k, fault := checkTransport(name, key)
	if fault != nil {
		return m.refused("ImportTransport", k, fault)
	}
	own := newSecret(key, 0)
	defer own.clear()
	_, err := call(ctx, m, "ImportTransport", k, func(w *worker) (struct{}, error) {
		return struct{}{}, own.use(func(value []byte) error { return w.importTransport(k, value) })
	})
	if err == nil {
		clear(key)
	}
	return err
}

// DeleteTransport deletes transport-NAME from the token, of an RSA key both halves.
func (m *Module) DeleteTransport(ctx context.Context, name string) error {
	k, fault := transportKey(name)
	if fault != nil {
		return m.refused("DeleteTransport", k, fault)
	}
	_, err := call(ctx, m, "DeleteTransport", k, func(w *worker) (struct{}, error) {
		w.g.transports.Lock()
		delete(w.g.transports.found, k)
		w.g.transports.Unlock()
		return struct{}{}, w.deleteTransport(k)
	})
	return err
}

// ImportTransport does what the method does, where no server runs on the token.
func ImportTransport(ctx context.Context, cfg Config, name string, key []byte) error {
	k, fault := checkTransport(name, key)
	if fault != nil {
		return faultOf("ImportTransport", k, fault)
	}
	own := newSecret(key, 0)
	defer own.clear()
	_, err := visit(ctx, cfg, "ImportTransport", func(l *link, _ Config) (struct{}, error) {
		return struct{}{}, own.use(func(value []byte) error { return l.importTransport(k, value) })
	})
	if err == nil {
		clear(key)
	}
	return err
}

// DeleteTransport does what the method does, where no server runs on the token.
func DeleteTransport(ctx context.Context, cfg Config, name string) error {
	k, fault := transportKey(name)
	if fault != nil {
		return faultOf("DeleteTransport", k, fault)
	}
	_, err := visit(ctx, cfg, "DeleteTransport", func(l *link, _ Config) (struct{}, error) {
		return struct{}{}, l.deleteTransport(k)
	})
	return err
}

func checkTransport(name string, key []byte) (hsm.Key, *hsm.Fault) {
	k, fault := transportKey(name)
	switch {
	case fault != nil:
		return k, fault
	case len(key) != 16 && len(key) != 32:
		return k, inputFault("a transport key has 16 or 32 bytes, not %d", len(key))
	case zero(key):
		return k, inputFault("the key is all zeros")
	}
	return k, nil
}

func (l *link) importTransport(key hsm.Key, value []byte) error {
	// Two imports of one name at once would both find it free.
	if !l.importing.TryLock() {
		return &hsm.Fault{Class: hsm.ClassBusy, Err: errors.New("another import is under way")}
	}
	defer l.importing.Unlock()
	var err error
	for range 3 {
		found, lost := l.lookup(key)
		switch {
		case lost != nil:
			return lost
		case len(found) > 0:
			return inputFault("the token has a transport key of that name: delete it first")
		}
		if err = l.createTransport(key, value); !passing(err) {
			break
		}
	}
	return err
}

func (l *link) createTransport(key hsm.Key, value []byte) error {
	return l.with(readWrite, func(s *session) error {
		_, err := l.plain.createObject(s.handle, []*p11.Attribute{
			p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
			p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_AES),
			p11.NewAttribute(p11.CKA_LABEL, label(key)),
			p11.NewAttribute(p11.CKA_ID, versioned(key, 1)),
			p11.NewAttribute(p11.CKA_TOKEN, true),
			p11.NewAttribute(p11.CKA_PRIVATE, true),
			p11.NewAttribute(p11.CKA_SENSITIVE, true),
			p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
			p11.NewAttribute(p11.CKA_MODIFIABLE, false),
			p11.NewAttribute(p11.CKA_DECRYPT, true),
			p11.NewAttribute(p11.CKA_ENCRYPT, false),
			p11.NewAttribute(p11.CKA_SIGN, false),
			p11.NewAttribute(p11.CKA_VERIFY, false),
			p11.NewAttribute(p11.CKA_WRAP, false),
			p11.NewAttribute(p11.CKA_UNWRAP, false),
			p11.NewAttribute(p11.CKA_DERIVE, false),
			p11.NewAttribute(p11.CKA_VALUE, value),
		})
		return err
	})
}

func (l *link) deleteTransport(key hsm.Key) error {
	found, err := l.lookup(key)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return inputFault("the token has no such transport key")
	}
	return l.with(readWrite, func(s *session) error {
		if err := s.ctx.DestroyObject(s.handle, found[0].handle); err != nil {
			return err
		}
		return s.destroyOrphans([]byte(versioned(key, 1)), []byte(label(key)))
	})
}
