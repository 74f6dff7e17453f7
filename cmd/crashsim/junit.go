package main

import (
	"bytes"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// junitText is what was judged as a JUnit report: a suite for each program, a
// test case for each model. A verdict that is not the declared one is a failure,
// one that is not known an error. It holds no time: the same run gives the same
// bytes.
func junitText(trials []trial) ([]byte, error) {
	all := junit.Testsuites{Name: "crashsim"}
	for _, t := range trials {
		suite := junit.Testsuite{Name: xmlText(t.scenario.Name), Time: "0", ID: len(all.Suites)}
		if t.err != nil {
			suite.AddTestcase(junit.Testcase{
				Name: "record", Classname: xmlText(t.scenario.Name), Error: &junit.Result{Message: "could not be judged", Data: xmlText(t.err.Error())},
			})
		}
		for i := range t.results {
			r := &t.results[i]
			suite.AddTestcase(testcaseOf(&t, r))
			suite.AddProperty("judged under "+xmlText(r.Model.String()), r.Coverage.Claim.String())
		}
		all.AddSuite(suite)
	}
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	err := all.WriteXML(&b)
	return b.Bytes(), err
}

func testcaseOf(t *trial, r *runner.Result) junit.Testcase {
	c := junit.Testcase{Name: xmlText(r.Model.String()), Classname: xmlText(r.Scenario)}
	message := r.Outcome.String()
	if r.Declared.Verdict != runner.Unknown && !t.recorded() {
		message += ", declared " + r.Declared.String()
	}
	text := xmlText(r.Report())
	switch {
	case r.Outcome.Verdict == runner.Unknown:
		c.Error = &junit.Result{Message: message, Type: "unknown", Data: text}
	case !r.AsDeclared():
		c.Failure = &junit.Result{Message: message, Type: r.Outcome.Verdict.String(), Data: text}
	default:
		c.SystemOut = &junit.Output{Data: text}
	}
	return c
}

// xmlText is a text as XML can hold it, and as no reader obeys it.
func xmlText(text string) string { return show.Text(text) }
