package hsmtest_test

import (
	"testing"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
)

func TestSoftHSM(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) hsm.Module { return hsmtest.SoftHSM(t) })
}
