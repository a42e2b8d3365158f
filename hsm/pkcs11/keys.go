package pkcs11

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"mohur/hsm"
)

// Keys lists every version of every key of the house, and the transport keys.
func (m *Module) Keys(ctx context.Context) ([]hsm.KeyInfo, error) {
	return call(ctx, m, "Keys", "", func(w *worker) ([]hsm.KeyInfo, error) { return w.g.list() })
}

// list describes the keys in the token, in the order of the house.
func (l *link) list() ([]hsm.KeyInfo, error) {
	all, err := l.inventory()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b object) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.version, b.version))
	})
	var infos []hsm.KeyInfo
	for _, h := range house {
		for _, o := range all {
			if o.key != h.key {
				continue
			}
			info := hsm.KeyInfo{Key: o.key, Version: o.version, Type: h.kind.String(), Use: h.use}
			if h.kind == kindSigning {
				if info.ID, err = l.keyID(o); err != nil {
					return nil, err
				}
			}
			infos = append(infos, info)
		}
	}
	for _, o := range all {
		if !isTransport(o.key) {
			continue
		}
		info := hsm.KeyInfo{Key: o.key, Version: o.version, Type: "AES-" + strconv.Itoa(o.bits), Use: transportUse}
		if o.rsa != nil {
			info.Type, info.ID = "RSA-"+strconv.Itoa(o.rsa.N.BitLen()), thumbprintRSA(o.rsa)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (l *link) keyID(o object) (string, error) {
	g := &generation{link: l, signers: map[hsm.Key]signer{}}
	if err := g.takeSigner(o); err != nil {
		return "", err
	}
	return thumbprint(g.signers[o.key].public)
}
