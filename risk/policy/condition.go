package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"mohur/risk"
)

// The bounds of one condition. The cost is in CEL's units, about one for each step. It
// is estimated at load for the longest texts there are, and is never more: nothing
// loops. So no decision counts it again, which would take more time than the rules.
const (
	maxCondition = 2000 // characters
	maxDepth     = 50
	maxCost      = 500
)

// language is CEL cut down to comparing and counting. What reads a clock, loops,
// matches patterns or works with fractions is not in it; so there is nothing in it
// that could lower a demand because a fact is missing, such as has().
type language struct {
	env *cel.Env
	of  purpose
}

// purpose is what a condition is for. It says which facts there are.
type purpose int

const (
	ofRules purpose = iota
	ofScores
	ofLogin
)

func (p purpose) terms() []risk.Term {
	switch p {
	case ofLogin:
		return risk.LoginTerms()
	case ofScores:
		return slices.DeleteFunc(risk.Terms(), func(t risk.Term) bool { return t.Name == "score" })
	}
	return risk.Terms()
}

// why says why a fact that there is is not there for this purpose.
func (p purpose) why(message string) string {
	for _, t := range risk.Terms() {
		if strings.Contains(message, "undeclared reference to '"+t.Name+"'") {
			return map[purpose]string{ofLogin: " (a log-in has none)", ofScores: " (the scores make it)"}[p]
		}
	}
	return ""
}

func newLanguage(p purpose) (*language, error) {
	subset := env.NewLibrarySubset().SetDisableMacros(true)
	for _, name := range []string{
		operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Equals, operators.NotEquals,
		operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In,
		operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
	} {
		subset.AddIncludedFunctions(env.NewFunction(name))
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)), cel.Macros(cel.GlobalMacro("azn", 1, azn)),
		cel.ParserRecursionLimit(maxDepth), cel.ParserExpressionSizeLimit(maxCondition),
	}
	of := map[risk.Kind]*cel.Type{risk.Number: cel.IntType, risk.Truth: cel.BoolType, risk.Word: cel.StringType}
	for _, t := range p.terms() {
		options = append(options, cel.Variable(t.Name, of[t.Kind]))
	}
	e, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("policy: the language of conditions: %w", err)
	}
	return &language{e, p}, nil
}

// azn is azn("20.00"): the amount in qəpik, written when the policy is loaded.
func azn(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	text, ok := any(nil), false
	if args[0].Kind() == ast.LiteralKind {
		text, ok = args[0].AsLiteral().Value().(string)
	}
	if !ok {
		return nil, eh.NewError(args[0].ID(), `azn takes a quoted amount, such as azn("20.00")`)
	}
	n, err := qepik(text.(string))
	if err != nil {
		return nil, eh.NewError(args[0].ID(), "azn: "+err.Error())
	}
	return eh.NewLiteral(types.Int(n)), nil
}

// condition is one that was compiled.
type condition struct {
	program cel.Program
	needs   []string // facts it speaks of
	edges   []int64  // numbers it compares with
	cost    int      // at most
}

// compile reads a condition. The error says where in it the fault is.
func (l *language) compile(text string) (*condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New(`is empty; write a condition such as amount > azn("1000.00")`)
	}
	if len(text) > maxCondition {
		return nil, fmt.Errorf("is longer than %d characters", maxCondition)
	}
	checked, issues := l.env.Compile(text)
	if issues.Err() != nil {
		var parts []string
		for _, e := range issues.Errors() {
			message := strings.TrimSuffix(e.Message, " (in container '')")
			if strings.HasPrefix(message, "found no matching overload for '_") {
				message += " (both sides need to be numbers, or both text)"
			}
			parts = append(parts, fmt.Sprintf("column %d: %s%s", e.Location.Column()+1, message, l.of.why(message)))
		}
		return nil, errors.New(strings.Join(parts, "; "))
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("gives %s; a condition is true or false", checked.OutputType())
	}
	c, err := inspect(checked.NativeRep())
	if err != nil {
		return nil, err
	}
	cost, err := l.env.EstimateCost(checked, bounded{})
	if err != nil {
		return nil, fmt.Errorf("its cost cannot be told: %w", err)
	}
	if cost.Max > maxCost {
		return nil, fmt.Errorf("may cost %d, and %d is the most: make several rules of it", cost.Max, maxCost)
	}
	c.cost = int(cost.Max)
	c.program, err = l.env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	return c, err
}

// inspect finds the facts and numbers of a condition, and refuses values that are
// neither number, truth nor text: fractions are not exact.
func inspect(tree *ast.AST) (*condition, error) {
	c := &condition{}
	var fault error
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if !plain(tree.GetType(e.ID())) {
			fault = fmt.Errorf(`uses a value of type %s; there are whole numbers, text, true and false, and amounts are written azn("20.00")`, tree.GetType(e.ID()))
		}
		switch e.Kind() {
		case ast.IdentKind:
			if name := e.AsIdent(); !slices.Contains(c.needs, name) {
				c.needs = append(c.needs, name)
			}
		case ast.LiteralKind:
			if n, ok := e.AsLiteral().Value().(int64); ok {
				c.edges = append(c.edges, n)
			}
		}
	}))
	return c, fault
}

func plain(t *cel.Type) bool {
	if t.Kind() == types.ListKind {
		return len(t.Parameters()) == 1 && plain(t.Parameters()[0])
	}
	return t.IsExactType(cel.BoolType) || t.IsExactType(cel.IntType) || t.IsExactType(cel.StringType)
}

// Holds asks the condition. A fact that is missing is an error unless the answer is
// the same whatever it is.
func (c *condition) Holds(facts risk.Facts) (bool, error) {
	out, _, err := c.program.Eval(map[string]any(facts))
	if err != nil {
		for _, name := range c.needs {
			if _, known := facts[name]; !known {
				return false, risk.ErrMissing
			}
		}
		return false, fmt.Errorf("policy: a condition failed: %w", err)
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, errors.New("policy: a condition gave neither true nor false")
	}
	return holds, nil
}

// bounded tells the estimate how long texts are.
type bounded struct{}

func (bounded) EstimateSize(checker.AstNode) *checker.SizeEstimate {
	return &checker.SizeEstimate{Min: 0, Max: risk.MaxWord}
}

func (bounded) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}
