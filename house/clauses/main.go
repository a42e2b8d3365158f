// Command clauses lists which clauses of the central bank's guidance, and which
// of the twelve attacks of its Annex 1, have a test of their own and which have
// none. A test claims one by its name: TestClause5_22_LockAfterFive serves
// clause 5.22, TestAttack08_NoSecretOnTheWire serves attack 8. What a test with
// such a name proves is for its reader to judge; this tool only tells where to
// look, and where there is nothing to look at.
package main

import (
	_ "embed"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

//go:embed clauses.csv
var clausesCSV string

// clause is one row of clauses.csv, with the tests that name it.
type clause struct {
	id, level, title, servedBy string

	tests []test
}

func main() {
	strict := flag.Bool("strict", false, "exit 1 if a MUST has no test or a test names no clause")
	dir := flag.String("C", ".", "the directory to search")
	flag.Parse()
	complete, err := run(os.Stdout, *dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "clauses:", err)
		os.Exit(2)
	}
	if *strict && !complete {
		os.Exit(1)
	}
}

// run writes the report and tells whether every MUST has a test and every name
// a clause.
func run(w io.Writer, dir string) (complete bool, err error) {
	clauses, err := readClauses(clausesCSV)
	if err != nil {
		return false, err
	}
	tests, err := findTests(dir)
	if err != nil {
		return false, err
	}
	strays := assign(tests, clauses)
	open := report(w, clauses, strays)
	return open == 0 && len(strays) == 0, nil
}

func readClauses(text string) ([]*clause, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("clauses.csv: %w", err)
	}
	var clauses []*clause
	for _, row := range rows[1:] {
		clauses = append(clauses, &clause{id: row[0], level: row[1], title: row[2], servedBy: row[3]})
	}
	return clauses, nil
}

// assign gives each test to its clause and returns those that name none. A test
// of a sub-item that is not listed (4.4.2) belongs to the clause above it (4.4).
func assign(tests []test, clauses []*clause) (strays []test) {
	byID := make(map[string]*clause, len(clauses))
	for _, c := range clauses {
		byID[c.id] = c
	}
	for _, t := range tests {
		id := t.clause
		for byID[id] == nil && strings.Contains(id, ".") {
			id = id[:strings.LastIndex(id, ".")]
		}
		if c := byID[id]; c != nil {
			c.tests = append(c.tests, t)
		} else {
			strays = append(strays, t)
		}
	}
	return strays
}

// report writes the two groups and the strays, and returns how many MUST are
// without a test.
func report(w io.Writer, clauses []*clause, strays []test) (open int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "With a test\nclause\tlevel\ttests\n")
	for _, c := range clauses {
		for i, t := range c.tests {
			if i == 0 {
				fmt.Fprintf(table, "%s\t%s\t%s\n", c.id, c.level, t)
			} else {
				fmt.Fprintf(table, "\t\t%s\n", t)
			}
		}
	}
	table.Flush()

	fmt.Fprint(table, "\nWithout a test\nclause\tlevel\twhat it asks for\tserved by\n")
	must, without := 0, 0
	for _, level := range []string{"MUST", "SHOULD", "EVID"} {
		for _, c := range clauses {
			if c.level != level {
				continue
			}
			if level == "MUST" {
				must++
			}
			if len(c.tests) > 0 {
				continue
			}
			without++
			if level == "MUST" {
				open++
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.id, c.level, c.title, c.servedBy)
		}
	}
	table.Flush()

	if len(strays) > 0 {
		fmt.Fprint(w, "\nTests that name no clause of clauses.csv\n")
		for _, t := range strays {
			fmt.Fprintf(w, "%s\n", t)
		}
	}
	fmt.Fprintf(w, "\n%d of %d clauses and attacks have a test; %d of %d MUST have none.\n",
		len(clauses)-without, len(clauses), open, must)
	return open
}
