package parties

import "slices"

// Role is what a client or a member of staff may do; the table of routes says
// which role may call which.
type Role string

// The roles of the contract.
const (
	Frontend   Role = "frontend"
	Core       Role = "core"
	Helpdesk   Role = "helpdesk"
	Operator   Role = "operator"
	Supervisor Role = "supervisor"
	Security   Role = "security"
	Custodian  Role = "custodian"
	Auditor    Role = "auditor"
	Admin      Role = "admin"
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{Frontend, Core, Helpdesk, Operator, Supervisor, Security, Custodian, Auditor, Admin}
}

// excluded are the pairs nobody may hold together (clause 5.3.6).
var excluded = [][2]Role{{Operator, Supervisor}, {Custodian, Security}}

// Compatible reports whether one person or system may hold all of roles, and
// names the first pair that excludes each other.
func Compatible(roles []Role) (a, b Role, ok bool) {
	for _, pair := range excluded {
		if slices.Contains(roles, pair[0]) && slices.Contains(roles, pair[1]) {
			return pair[0], pair[1], false
		}
	}
	other := slices.IndexFunc(roles, func(r Role) bool { return r != Auditor })
	if other >= 0 && slices.Contains(roles, Auditor) {
		return Auditor, roles[other], false
	}
	return "", "", true
}

// Channel is the way a customer comes in (clause 3.2).
type Channel string

// The three channels.
const (
	PC       Channel = "pc"
	Internet Channel = "internet"
	Mobile   Channel = "mobile"
)

// Channels lists all channels.
func Channels() []Channel { return []Channel{PC, Internet, Mobile} }

// Caller is who asks: an argument of every command, so that no act is without
// an author and no right is looked up behind the domain's back.
type Caller struct {
	Kind        string // "client" or "host" (the command line on the server itself)
	ID          string
	Name        string
	Roles       []Role
	Channels    []Channel
	Source      string // address of the caller, a signal only, never a proof
	Request     string // request id
	Development bool   // the development key: every role, sees every object
}

// Has reports whether the caller holds one of roles.
func (c Caller) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// Only reports whether the caller's rights end at what it began itself: a front
// end that holds no role of the bank's own people.
func (c Caller) Only() bool {
	return !c.Has(Helpdesk, Operator, Supervisor, Security, Auditor, Core)
}

// MayAct reports whether the caller may go on with what client owner began on
// channel: answer, pay, touch. Whoever reads for the bank may see it, but acting
// for a customer is for the system he came through.
func (c Caller) MayAct(owner string, channel Channel) bool {
	return c.Development || owner == c.ID && slices.Contains(c.Channels, channel)
}

// MaySee reports whether the caller may see an object that client owner began
// on channel.
func (c Caller) MaySee(owner string, channel Channel) bool {
	if c.Only() {
		return owner == c.ID && slices.Contains(c.Channels, channel)
	}
	return true
}
