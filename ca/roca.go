package ca

import "math/big"

// rocaPrimes are those by which a modulus of the generator shows (CVE-2017-15361;
// Nemec et al., "The Return of Coppersmith's Attack", section 3).
var rocaPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
	101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// roca reports whether a modulus is of the generator that tokens with a certain
// library had until 2017: whoever knows the modulus can factor it. All its moduli are
// powers of 65537 for each of the primes; one in 2^150 of others is.
func roca(n *big.Int) bool {
	for _, p := range rocaPrimes {
		r := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for power != r {
			power = power * 65537 % p
			if power == 1 {
				return false
			}
		}
	}
	return true
}
