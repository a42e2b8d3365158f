package api

import "mohur/problem"

// mayWait adds to the description of a deed that it may wait for its second person.
func mayWait(o operation) operation {
	o.out = append(o.out, gives[waitsOut](202, "It waits for a second person: see approvals."))
	return o
}

var staffing = map[string]operation{
	"POST /v1/staff": mayWait(operation{id: "postStaff", tag: "staff", summary: "Make a member of staff",
		about: "Excluding roles are refused together. The invitation is a one-time secret, good for 24 hours, five tries, one enrolment and one PIN; it is shown this once. From the second supervisor on, and from the first who has logged in, it takes a second person, and then the invitation goes to the e-mail address of its owner instead.",
		in:    body((*exchange).postStaff), out: []result{gives[staffOut](201, "The member of staff, with the invitation.")}, refuses: []problem.Code{problem.Conflict}}),
	"GET /v1/staff": {id: "listStaff", tag: "staff", summary: "List the members of staff", about: "An auditor does not see names and contacts.", out: []result{gives[page[staffOut]](200, "All of them, by id.")}},
	"POST /v1/staff/:id/suspend": {id: "suspendStaff", tag: "staff", summary: "Take a member of staff out at once", about: "Ends his sessions and his invitations.",
		in: body((*exchange).suspendStaff), out: []result{gives[staffOut](200, "Suspended.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/staff/:id/resume": mayWait(operation{id: "resumeStaff", tag: "staff", summary: "Let a member of staff back",
		in: body((*exchange).resumeStaff), out: []result{gives[staffOut](200, "Active.")}, refuses: []problem.Code{problem.Conflict}}),
	"PUT /v1/staff/:id/roles": mayWait(operation{id: "putRoles", tag: "staff", summary: "Give a member of staff other roles", about: "They hold from his next request on. Nobody changes his own.",
		in: body((*exchange).putRoles), out: []result{gives[staffOut](200, "With the new roles.")}, refuses: []problem.Code{problem.Conflict}}),
	"POST /v1/staff/:id/invitations": mayWait(operation{id: "inviteStaff", tag: "staff", summary: "Invite a member of staff again", about: "For one who did not come in time, or has lost what he logs in with. The invitations before end.",
		in: body((*exchange).inviteStaff), out: []result{gives[staffOut](201, "With the invitation.")}, refuses: []problem.Code{problem.Conflict}}),
	"PUT /v1/staff/:id/pin": {id: "putStaffPIN", tag: "staff", summary: "Set the PIN a member of staff chose", about: "With his invitation as activation_secret, or an authentication of purpose action, customer.pin.",
		in: body((*exchange).putStaffPIN), out: []result{givesNothing("It is set.")}, refuses: []problem.Code{problem.ProofRequired, problem.AuthenticationFailed, problem.Conflict}},
	"GET /v1/approvals": {id: "listApprovals", tag: "staff", summary: "List what waits for its second person, or waited", about: "An auditor does not see the requests; an admin sees those about staff.",
		out: []result{gives[page[approvalOut]](200, "Newest first.")}},
	"GET /v1/approvals/:id": {id: "getApproval", tag: "staff", summary: "Look at an approval", out: []result{gives[approvalOut](200, "As it stands.")}},
	"POST /v1/approvals/:id/approve": {id: "approve", tag: "staff", summary: "Approve an act, which is done with it",
		about: "By a person with a session, never the one who asked for it nor the one it is about. authentication is a granted one of purpose action, approval, whose data is {\"approval\": id, \"sha256\": sha256} of this approval. The act is done as it was asked for, with the rights that who asked has now; the decision and the act are one write. An act that is not possible any more is answered 409 and the approval has failed. In development a client with every role decides without a proof.",
		in:    body((*exchange).approve), out: []result{gives[approvalOut](200, "Approved and done; result is what the act answers.")},
		refuses: []problem.Code{problem.ProofRequired, problem.Conflict, problem.Expired}},
	"POST /v1/approvals/:id/reject": {id: "reject", tag: "staff", summary: "Reject an act", about: "By whom it could be approved, with the same proof.",
		in: body((*exchange).reject), out: []result{gives[approvalOut](200, "Rejected; nothing was done.")}, refuses: []problem.Code{problem.ProofRequired, problem.Conflict, problem.Expired}},
}
