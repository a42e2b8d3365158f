package card

import (
	"context"
	"crypto/x509"
	"slices"
	"time"
)

// place finds the profile that judges a certificate: the first one whose use and
// policies fit it and to whose roots it leads. A stored card stays with its own
// profile. Where there is none, the reason is that of a profile the certificate
// does lead to, if there is one.
func (v *Verifier) place(ctx context.Context, c *x509.Certificate, u use, at time.Time, stored *Record) (*profile, []*x509.Certificate, error) {
	var fit, unfit []*profile
	for _, p := range v.profiles {
		switch {
		case stored != nil && p.Name != stored.Issuer:
		case p.fits(c, u) == nil:
			fit = append(fit, p)
		default:
			unfit = append(unfit, p)
		}
	}
	if len(fit)+len(unfit) == 0 {
		return nil, nil, refuse(NotTrusted, "there is no issuer profile for it any more")
	}
	if len(fit) != 0 {
		switch {
		case at.Before(c.NotBefore):
			return nil, nil, refuse(NotYetValid, "from %s on", c.NotBefore.UTC().Format(time.RFC3339))
		case at.After(c.NotAfter):
			return nil, nil, refuse(Expired, "since %s", c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	var untrusted error
	for _, p := range fit {
		chain, err := p.chain(ctx, c, u, at)
		if err == nil {
			return p, chain, nil
		}
		if untrusted == nil {
			untrusted = err
		}
	}
	for _, p := range unfit {
		if _, err := p.chain(ctx, c, u, at); err == nil || reasonOf(err) == PolicyMissing {
			return nil, nil, p.fits(c, u)
		}
	}
	if untrusted == nil {
		untrusted = unfit[0].fits(c, u)
	}
	return nil, nil, untrusted
}

// fits: the profile is for that use and takes the certificate's own policies.
func (p *profile) fits(c *x509.Certificate, u use) error {
	switch {
	case u == logIn && !p.LogIn, u == sign && !p.Signing:
		return refuse(ProfileUse, "%s", p.Name)
	case u == logIn && commits(c) && !p.DualUse:
		return refuse(DualUse, "%s", p.Name)
	}
	for _, d := range p.disallowed {
		if asserts(c, d) {
			return refuse(PolicyDisallowed, "%s by %s", d, p.Name)
		}
	}
	if len(p.policies) != 0 && !slices.ContainsFunc(p.policies, func(o x509.OID) bool { return asserts(c, o) }) {
		return refuse(PolicyMissing, "%s are the certificate's, %s takes others", c.Policies, p.Name)
	}
	return nil
}

func asserts(c *x509.Certificate, policy x509.OID) bool {
	return slices.ContainsFunc(c.Policies, policy.Equal)
}

// chain leads the certificate to one of the profile's roots at that time.
func (p *profile) chain(ctx context.Context, c *x509.Certificate, u use, at time.Time) ([]*x509.Certificate, error) {
	if !slices.Contains(strongSignatures, c.SignatureAlgorithm) {
		return nil, refuse(WeakChain, "the certificate is signed with %s", c.SignatureAlgorithm)
	}
	usage := x509.ExtKeyUsageAny
	if u == logIn {
		usage = x509.ExtKeyUsageClientAuth
	}
	roots, err := p.anchors(ctx)
	if err != nil {
		return nil, err
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: p.intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, refuse(NotTrusted, "%s: %v", p.Name, err)
	}
	for _, chain := range chains {
		if err = p.sound(c, chain); err == nil {
			return chain, nil
		}
	}
	return nil, err
}

// sound checks what crypto/x509 leaves open of a chain. Its root is one of the
// configuration; only the root's signature is not looked at.
func (p *profile) sound(c *x509.Certificate, chain []*x509.Certificate) error {
	if len(chain) < 2 {
		return refuse(NotTrusted, "the certificate is its own root")
	}
	for i, above := range chain[1:] {
		if err := anchor(above); err != nil {
			return refuse(WeakChain, "%v", err)
		}
		root := i == len(chain)-2
		if !root && !slices.Contains(strongSignatures, above.SignatureAlgorithm) {
			return refuse(WeakChain, "%s is signed with %s", name(above), above.SignatureAlgorithm)
		}
	}
	between := chain[1 : len(chain)-1]
	if len(p.policies) != 0 && !slices.ContainsFunc(p.policies, func(o x509.OID) bool { return asserts(c, o) && mayIssue(between, o) }) {
		return refuse(PolicyMissing, "an authority between issues under other policies only")
	}
	return nil
}

// mayIssue reports whether all the authorities may issue under the policy: each
// lists it, or anyPolicy, or lists none at all.
func mayIssue(between []*x509.Certificate, policy x509.OID) bool {
	return !slices.ContainsFunc(between, func(a *x509.Certificate) bool {
		return len(a.Policies) != 0 && !asserts(a, anyPolicy) && !asserts(a, policy)
	})
}
