package house

// mohur is the house. Whoever adds a package adds it here, on the lowest floor
// from which its imports still point down. A pattern may name a package that is
// still to come.
var mohur = plan{
	module: "mohur",

	// From the roof to the ground. A package imports packages of lower floors
	// only; of its own floor, only what beside allows.
	floors: []floor{
		{name: "tools", packages: list("house", "house/cardrelease", "house/clauses")},
		{name: "commands", packages: list("cmd/*", "cmd/mohur/bench"),
			beside: map[string][]string{"cmd/mohur": list("cmd/mohur/bench")}},
		{name: "helpdesk", packages: list("agent/doctor")},
		// What runs on the customer's machine. Of the server it imports the ground only.
		{name: "agent at a branch", packages: list("agent/etoken")},
		{name: "agent", packages: list("agent")},
		{name: "agent's parts", packages: list("agent/dialog", "agent/linked", "agent/pkcs11")},
		{name: "agent's ground", packages: list("agent/browser", "agent/device", "agent/pcsc", "agent/release", "agent/words")},

		{name: "edges", packages: list("api", "web", "store/*", "hsm/pkcs11")},

		// From here down is the domain: it knows no HTTP server, no database and
		// no PKCS#11, neither directly nor through what it imports.
		{name: "ceremonies", domain: true, packages: list("authn", "custody", "enrollment", "payment", "storecheck"),
			beside: map[string][]string{"payment": list("authn")}},
		{name: "verifiers", domain: true, packages: list("authn/*"),
			beside: map[string][]string{"authn/card": list("authn/revocation")}},
		{name: "subjects", domain: true, packages: list("approval", "ca", "compromised", "incident", "notify", "parties", "risk", "risk/policy", "rulebook", "stoplist", "tokens"),
			beside: map[string][]string{"approval": list("parties"), "ca": list("parties"), "compromised": list("incident", "parties"), "parties": list("notify"), "risk/policy": list("risk"), "rulebook": list("incident", "parties", "risk", "risk/policy")}},
		{name: "formats", domain: true, packages: list("tokens/*"),
			beside: map[string][]string{
				"tokens/seedfile": list("tokens/ocra"), "tokens/strictxml": list("tokens/seedfile"),
				"tokens/pskc": list("tokens/ocra", "tokens/seedfile", "tokens/strictxml"), "tokens/safenetxml": list("tokens/seedfile", "tokens/strictxml"),
				"tokens/oathcsv": list("tokens/seedfile"), "tokens/yubicocsv": list("tokens/seedfile"), "tokens/serials": list("tokens/seedfile"),
			}},
		{name: "settlement", domain: true, packages: list("settle")},
		{name: "evidence", domain: true, packages: list("audit")},
		{name: "protection", domain: true, packages: list("jws", "seal")},
		{name: "contracts", domain: true, packages: list("hsm", "store")},
		{name: "ground", domain: true, packages: list("canonical", "ident", "problem", "rate")},
	},

	// Modules that stay behind an edge, and the only packages that may import them.
	outside: []outside{
		{module: "github.com/gin-gonic/gin", only: list("api", "web")},
		{module: "go.etcd.io/bbolt", only: list("store/bolt", "store/bolttest")},
		{module: "github.com/jackc/pgx", only: list("store/postgres")},
		{module: "github.com/miekg/pkcs11", only: list("hsm/pkcs11", "agent/pkcs11")},
		{module: "github.com/ThalesGroup/crypto11", only: list("hsm/pkcs11")},
		{module: "github.com/go-webauthn/webauthn", only: list("authn/fido")},
		{module: "cel.dev/cel-go", only: list("risk/policy")},
	},

	// The same inputs give the same decision, today and replayed in a year: these
	// packages import nothing of ours but one another, and nothing that reaches out or
	// rolls dice. risk decides; risk/policy makes its rules of a text that it is given.
	pure: list("risk", "risk/policy"),
	impure: list("os", "os/exec", "net", "net/http", "database/sql", "syscall",
		"crypto/rand", "math/rand", "math/rand/v2"),

	// Names that say nothing of what a package is for.
	empty: list("util", "utils", "common", "helper", "helpers", "types", "models"),
}

// plan says who may import whom. A package's name here is its path below the module.
type plan struct {
	module  string
	floors  []floor
	outside []outside
	pure    []string
	impure  []string
	empty   []string
}

// floor is a set of packages, by name or path.Match pattern.
type floor struct {
	name     string
	packages []string
	beside   map[string][]string // package → packages of the same floor it may import
	domain   bool
}

type outside struct {
	module string
	only   []string
}

func list(names ...string) []string { return names }
