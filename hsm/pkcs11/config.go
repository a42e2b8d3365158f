package pkcs11

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// Defaults of a Config, and the bounds that are not worth a setting.
const (
	defaultSessions    = 16
	defaultWait        = 250 * time.Millisecond
	defaultCallTimeout = time.Second

	maxSessions  = 1024
	startTimeout = 15 * time.Second       // one attempt to connect, find the keys and verify them
	drainTimeout = 2 * time.Second        // calls in flight, after which the process should be restarted
	firstPause   = 100 * time.Millisecond // between two attempts at a device, doubled each time
	longestPause = 400 * time.Millisecond // so a device that is back serves again within a second
	youngPause   = 5 * time.Second        // where generations die young, before the next
	steady       = 10 * time.Second       // a generation that lived so long ends a run of short ones
	maxStrays    = 4                      // generations whose calls never came back
)

// Config says which module, token and log-in to use. Every zero value but
// Module, TokenLabel and PINFile is safe.
type Config struct {
	Module     string // path of the module's shared library
	TokenLabel string
	// PINFile holds the PIN in one line (see CheckPINFile). It is read for each
	// log-in and forgotten after it: a server that kept the PIN would give it to
	// whoever reads its memory. Tests may give PIN instead.
	PINFile string
	PIN     string

	// Init is handed to the module when it is initialised, for modules that are
	// configured by it; "" hands over nothing. A process uses one Init for a
	// module's library.
	Init string

	// Sessions is how many calls run at once, 0 means what the profile says, or
	// 16. The module serves twice as many sessions, and two more.
	Sessions int
	// Wait is how long a call waits for its turn, 0 means 250 ms.
	Wait time.Duration
	// CallTimeout is how long a call may stay inside the module, 0 means 1 s.
	CallTimeout time.Duration

	Profile Profile
	// Strict refuses to start where a module is merely weaker than it could be:
	// where it unwraps seeds as extractable, or a key is not marked as
	// sensitive and not extractable.
	Strict bool

	Logger *slog.Logger // nil means slog.Default
	// Observe is told of every call; class 0 means that it succeeded.
	Observe func(op string, class hsm.Class, d time.Duration)
	// ObserveCPU is told what calls cost: of one call in eight the processor time
	// that this process spent in it, times eight. Its sum is about that of all
	// calls; of a module in another machine it is this machine's part.
	ObserveCPU func(op string, d time.Duration)
	// Stuck is told when calls do not return from the module. The C library
	// cannot be reset under them, so the right answer is to end the process and
	// let its supervisor start it again. Without Stuck the module goes on with
	// what works.
	Stuck func(error)
}

// String leaves out the PIN, wherever a configuration is printed.
func (c Config) String() string {
	return fmt.Sprintf("pkcs11.Config{module %s, token %q}", c.Module, c.TokenLabel)
}

// GoString leaves out the PIN as well.
func (c Config) GoString() string { return c.String() }

// LogValue leaves out the PIN as well.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// checked returns c with its defaults, or what is wrong with it.
func (c Config) checked() (Config, error) {
	switch {
	case c.Module == "":
		return c, configFault("no module is named: set hsm.module to the path of the PKCS#11 library")
	case c.TokenLabel == "" || len(c.TokenLabel) > 32:
		return c, configFault("the token's label must have 1 to 32 bytes: set hsm.token_label")
	case c.PIN == "" && c.PINFile == "":
		return c, configFault("the PIN is empty: set hsm.pin_file")
	case c.Sessions < 0 || c.Sessions > maxSessions || c.Wait < 0 || c.CallTimeout < 0:
		return c, configFault(fmt.Sprintf("sessions must be 0 to %d, and no duration negative", maxSessions))
	}
	if c.Profile.NeedsInit && c.Init == "" {
		return c, configFault(fmt.Sprintf("a module of the profile %s is configured at its start: set hsm.init", c.Profile.Name))
	}
	if strings.ContainsRune(c.Init, 0) {
		return c, configFault("hsm.init holds a zero byte")
	}
	if _, err := os.Stat(c.Module); err != nil {
		return c, configFault(fmt.Sprintf("the module cannot be read: %v", err))
	}
	if c.Sessions == 0 {
		c.Sessions = cmp.Or(c.Profile.Sessions, defaultSessions)
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.Profile.WrapMechanism == 0 {
		c.Profile.WrapMechanism = p11.CKM_AES_KEY_WRAP
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
