package ca

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"
)

// rocaPrime is a prime as the generator made them: k·M + 65537^a mod M.
func rocaPrime(t *testing.T) *big.Int {
	t.Helper()
	m := big.NewInt(2)
	for _, p := range rocaPrimes {
		m.Mul(m, big.NewInt(p))
	}
	for {
		a, err := rand.Int(rand.Reader, m)
		if err != nil {
			t.Fatal(err)
		}
		k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 812))
		if err != nil {
			t.Fatal(err)
		}
		k.SetBit(k, 811, 1) // long enough for RSA-2048
		p := new(big.Int).Exp(big.NewInt(65537), a, m)
		if p.Add(p, k.Mul(k, m)).ProbablyPrime(20) {
			return p
		}
	}
}

// Keys of the weak generator are not certified, and others are.
func TestKeysOfAWeakGenerator(t *testing.T) {
	n := new(big.Int).Mul(rocaPrime(t), rocaPrime(t))
	if n.BitLen() < 2048 || !roca(n) || strong(&rsa.PublicKey{N: n, E: 65537}) {
		t.Error("a modulus of the weak generator is taken")
	}
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if roca(good.N) || !strong(&good.PublicKey) {
		t.Error("a modulus of another generator is refused")
	}
}
