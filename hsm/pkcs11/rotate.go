package pkcs11

import (
	"context"
	"errors"
	"time"

	"mohur/hsm"
)

// Rotate makes the next version of seed-kek, pin-seal or data-kek, once the module
// has shown that it works, and serves new data with it from then on. What the
// versions before it have wrapped or sealed stays readable as long as they are
// kept. The other keys have no versions in what they make, so none of them can be
// followed by another here.
func (m *Module) Rotate(ctx context.Context, key hsm.Key) (hsm.KeyInfo, error) {
	if f := m.absent(); f != nil {
		return hsm.KeyInfo{}, m.refused("Rotate", key, f)
	}
	start := time.Now()
	info, err := Rotate(ctx, m.cfg, key)
	if err != nil {
		f := faultOf("Rotate", key, err)
		m.observe("Rotate", f.Class, start)
		return hsm.KeyInfo{}, f
	}
	m.observe("Rotate", 0, start)
	if g := m.now.Load().gen; g != nil {
		m.replace(g, &hsm.Fault{Class: hsm.ClassSession, Op: "Rotate", Key: key, Err: errRotated}, nil)
	}
	m.settled(ctx)
	return info, nil
}

// settled waits while one generation follows another.
func (m *Module) settled(ctx context.Context) {
	for st := m.now.Load(); st.gen == nil && st.down == nil; st = m.now.Load() {
		select {
		case <-st.next:
		case <-ctx.Done():
			return
		}
	}
}

var errRotated = errors.New("the key has a new version")

// absent is why no generation serves, nil while one does.
func (m *Module) absent() *hsm.Fault {
	switch st := m.now.Load(); {
	case st.gen != nil:
		return nil
	case st.down != nil:
		return st.down
	}
	return &hsm.Fault{Class: hsm.ClassBusy, Err: errBusy}
}

// Rotate does what the method does, where no server runs on the token.
func Rotate(ctx context.Context, cfg Config, key hsm.Key) (hsm.KeyInfo, error) {
	if k, _ := kindOf(key); k != kindKEK && k != kindAEAD {
		return hsm.KeyInfo{}, faultOf("Rotate", key, inputFault("only %s, %s and %s can be rotated", hsm.SeedKEK, hsm.PINSeal, hsm.DataKEK))
	}
	return visit(ctx, cfg, "Rotate", func(l *link, cfg Config) (info hsm.KeyInfo, err error) {
		// Two at once would make two keys of one version.
		if !l.importing.TryLock() {
			return info, &hsm.Fault{Class: hsm.ClassBusy, Err: errors.New("another key is being made")}
		}
		defer l.importing.Unlock()
		all, err := l.inventory()
		if err != nil {
			return info, err
		}
		next := latest(all, key) + 1
		if next == 1 {
			return info, missing(key)
		}
		if next > maxVersion {
			return info, inputFault("the key has had %d versions", maxVersion)
		}
		for _, h := range house {
			if h.key == key {
				info = hsm.KeyInfo{Key: key, Version: next, Type: h.kind.String(), Use: h.use}
				err = l.follow(cfg, h, next)
			}
		}
		return info, err
	})
}

// follow makes a version of a key, and has it work as the start-up probe does,
// before anything is served with it.
func (l *link) follow(cfg Config, h housekey, version int) error {
	if err := l.generate(cfg, h, version); err != nil {
		return err
	}
	err := l.tries(cfg)
	if err == nil {
		return nil
	}
	return errors.Join(err, l.destroy(h.key, version))
}

func (l *link) tries(cfg Config) error {
	g := &generation{link: l, cfg: cfg, keeper: &session{link: l, flags: readOnly}}
	if err := g.keeper.ready(); err != nil {
		return err
	}
	defer g.keeper.drop()
	if err := g.findKeys(); err != nil {
		return err
	}
	return l.with(readOnly, func(s *session) error { return probe(&worker{g, s}) })
}

// destroy deletes one version of a key that nothing was made with yet.
func (l *link) destroy(key hsm.Key, version int) error {
	all, err := l.inventory()
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.key == key && o.version == version {
			return l.with(readWrite, func(s *session) error { return s.ctx.DestroyObject(s.handle, o.handle) })
		}
	}
	return nil
}
