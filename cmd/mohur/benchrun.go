package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"mohur/cmd/mohur/bench"
)

// benchRun is one run of `mohur bench`.
type benchRun struct {
	benchOptions
	scratch *scratch
	steps   *steps
	bank    *benchBank
	also    func(*Config)    // what else differs from the defaults; nil: nothing
	under   *benchFloor      // nil: not asked for
	people  []*benchCustomer // whose devices have asked their PINs
	pins    []*benchCustomer // whose PINs the server keeps
	report  *benchReport
}

// maxPINs is how many log-ins with a PIN come at once (aim 2).
const maxPINs = 64

func (r *benchRun) all(ctx context.Context) (*benchReport, error) {
	defer r.steps.done()
	r.steps.next("making a bank with %d customers", r.tokens)
	var err error
	r.bank, err = r.scratch.makeBank(ctx, func(c *Config) {
		c.Auth.FloorPIN, c.Auth.FloorRefusal, c.Auth.FloorBegin = 0, 0, 0
		if r.also != nil {
			r.also(c)
		}
	})
	if err != nil {
		return nil, err
	}
	r.people = newcomers("C", r.tokens, pinOnDevice)
	r.pins = newcomers("P", min(maxPINs, max(2, r.tokens/eachConnection)), pinOnServer)
	if err := errors.Join(r.bank.enrol(ctx, r.people, pinOnDevice), r.bank.enrol(ctx, r.pins, pinOnServer)); err != nil {
		return nil, err
	}
	if r.floor {
		if r.under, err = r.scratch.startFloor(ctx, r.people); err != nil {
			return nil, err
		}
	}
	r.report = &benchReport{
		Version: version, Processors: runtime.NumCPU(), Transport: "https, HTTP/1.1 kept alive, loopback", Disk: r.scratch.disk,
		Customers: r.tokens, Seconds: r.duration.Seconds(),
	}
	for _, part := range []func(context.Context) error{r.afterStart, r.levels, r.wrong, r.proofs} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	r.report.judge()
	return r.report, nil
}

// levels measures answers and log-ins at each number of connections, and right
// beside them the floor.
func (r *benchRun) levels(ctx context.Context) error {
	for _, n := range r.connections {
		r.steps.next("answers at %s", count(n, "connection"))
		c, err := r.answers(ctx, n)
		if err != nil {
			return fmt.Errorf("answers at %s: %w", count(n, "connection"), err)
		}
		floor := benchFigures{}
		if r.under != nil {
			if floor, err = r.floorAt(ctx, n); err != nil {
				return fmt.Errorf("the floor at %s: %w", count(n, "connection"), err)
			}
			r.report.Floor = append(r.report.Floor, floor)
		}
		r.report.Answers = append(r.report.Answers, figures(n, c).beside(floor))
		r.steps.next("log-ins at %s", count(n, "connection"))
		if c, err = r.logIns(ctx, n); err != nil {
			return fmt.Errorf("log-ins at %s: %w", count(n, "connection"), err)
		}
		r.report.LogIns = append(r.report.LogIns, figures(n, c))
	}
	return nil
}

// warmUp is how long a crew works before it is measured.
func (r *benchRun) warmUp() time.Duration { return min(r.duration/4, 300*time.Millisecond) }

// answers measures right codes to attempts that were begun before.
func (r *benchRun) answers(ctx context.Context, n int) (cost, error) {
	return r.prepared(ctx, n, r.people, answers)
}

// prepared measures what answers attempts that were begun before. They live for
// minutes and only so many wait for a customer, so it goes in rounds.
func (r *benchRun) prepared(ctx context.Context, n int, people []*benchCustomer, answer func(*benchCustomer) func(*bench.Conn) error) (total cost, err error) {
	conns, err := bench.DialAll(ctx, r.bank.target, n)
	if err != nil {
		return total, err
	}
	defer bench.CloseAll(conns)
	crew := share(people, n).job(waiting, answer)
	if err := r.bank.fill(ctx, people, 2); err != nil {
		return total, err
	}
	warm, err := bench.Run(ctx, conns, r.warmUp(), crew)
	if err != nil {
		return total, err
	}
	for left := r.duration; left > r.duration/20; left = r.duration - total.Elapsed {
		if err := r.bank.fill(ctx, people, depthFor(warm.Rate(), left, len(people))); err != nil {
			return total, err
		}
		c, err := r.bank.watch(ctx, func() (bench.Round, error) { return bench.Run(ctx, conns, left, crew) })
		if err != nil {
			return total, err
		}
		total.add(c)
	}
	return total, total.agree(total.Operations, 0)
}

// logIns measures whole log-ins, each in one request.
func (r *benchRun) logIns(ctx context.Context, n int) (c cost, err error) {
	conns, err := bench.DialAll(ctx, r.bank.target, n)
	if err != nil {
		return c, err
	}
	defer bench.CloseAll(conns)
	crew := share(r.people, n).job(anyone, logsIn)
	if _, err := bench.Run(ctx, conns, r.warmUp(), crew); err != nil {
		return c, err
	}
	c, err = r.bank.watch(ctx, func() (bench.Round, error) { return bench.Run(ctx, conns, r.duration, crew) })
	if err != nil {
		return c, err
	}
	return c, c.agree(c.Operations, 0)
}

func (r *benchRun) floorAt(ctx context.Context, n int) (benchFigures, error) {
	conns, err := bench.DialAll(ctx, r.under.target, n)
	if err != nil {
		return benchFigures{}, err
	}
	defer bench.CloseAll(conns)
	crew := share(r.under.customers, n).job(anyone, r.under.answers)
	if _, err := bench.Run(ctx, conns, r.warmUp(), crew); err != nil {
		return benchFigures{}, err
	}
	before, err := bench.CPU(r.under.process.pid())
	if err != nil {
		return benchFigures{}, err
	}
	var c cost
	if c.Round, err = bench.Run(ctx, conns, r.duration, crew); err != nil {
		return benchFigures{}, err
	}
	after, err := bench.CPU(r.under.process.pid())
	c.cpu = after - before
	return figures(n, c), err
}

// wrong measures wrong codes and, in turn with them, right ones to the same
// attempts.
func (r *benchRun) wrong(ctx context.Context) error {
	n := r.typical()
	r.steps.next("wrong codes at %s", count(n, "connection"))
	conns, err := bench.DialAll(ctx, r.bank.target, n)
	if err != nil {
		return err
	}
	defer bench.CloseAll(conns)
	if err := r.bank.drain(ctx, r.people); err != nil {
		return err
	}
	people := share(r.people, n)
	var wrong, right cost
	for wrong.Elapsed+right.Elapsed < r.duration {
		if err := r.bank.fill(ctx, r.people, safeFails); err != nil {
			return err
		}
		for _, part := range []struct {
			to  *cost
			job bench.Job
		}{{&wrong, people.job(mayGuess, guesses)}, {&right, people.job(waiting, answers)}} {
			c, err := r.bank.watch(ctx, func() (bench.Round, error) { return bench.Run(ctx, conns, r.duration, part.job) })
			if err != nil {
				return fmt.Errorf("wrong codes: %w", err)
			}
			part.to.add(c)
		}
		if err := r.bank.drain(ctx, r.people); err != nil {
			return err
		}
	}
	r.report.Wrong.Wrong, r.report.Wrong.Right = figures(n, wrong), figures(n, right)
	r.report.Wrong.Ratio = ratio(r.report.Wrong.Wrong.CPU, r.report.Wrong.Right.CPU)
	return errors.Join(wrong.agree(0, wrong.Operations), right.agree(right.Operations, 0))
}

// proofs measures PIN and code together beside Argon2id alone.
func (r *benchRun) proofs(ctx context.Context) error {
	n := min(r.typical(), len(r.pins))
	r.steps.next("PINs at %s", count(n, "connection"))
	before, err := r.argon2id(ctx)
	if err != nil {
		return err
	}
	c, err := r.prepared(ctx, n, r.pins, provesBoth)
	if err != nil {
		return fmt.Errorf("PINs: %w", err)
	}
	after, err := r.argon2id(ctx)
	if err != nil {
		return err
	}
	r.report.PIN.Both, r.report.PIN.Argon2id = figures(n, c), (before+after).Seconds()/2*1000
	r.report.PIN.Ratio = ratio(r.report.PIN.Both.CPU, r.report.PIN.Argon2id)
	return nil
}

// argon2id is the processor time of one hash of a PIN alone, as many at once as
// the server has slots.
func (r *benchRun) argon2id(ctx context.Context) (time.Duration, error) {
	began, err := bench.CPU(os.Getpid())
	if err != nil {
		return 0, err
	}
	runs := make([]int, r.bank.config.Auth.PINSlots)
	until := time.Now().Add(r.duration / 2)
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			for ; ctx.Err() == nil && (runs[i] == 0 || time.Now().Before(until)); runs[i]++ {
				bareHash(r.pins[0].pin, make([]byte, 16))
			}
		})
	}
	all.Wait()
	ended, err := bench.CPU(os.Getpid())
	if err = errors.Join(err, ctx.Err()); err != nil {
		return 0, err
	}
	n := 0
	for _, k := range runs {
		n += k
	}
	return (ended - began) / time.Duration(n), nil
}

// bareHash is Argon2id as the server has it for PINs, and nothing else.
func bareHash(pin string, salt []byte) []byte {
	return argon2.IDKey([]byte(pin), salt, 2, 19*1024, 1, 32)
}

// afterStart starts the server anew: it has no memory of its own yet, and nothing
// that it has read before spares it a call.
func (r *benchRun) afterStart(ctx context.Context) error {
	r.steps.next("%s with PINs at once", count(len(r.pins), "log-in"))
	if err := r.bank.restart(ctx, func(*Config) {}); err != nil {
		return err
	}
	if err := r.memory(ctx); err != nil {
		return fmt.Errorf("%s with PINs at once, which a machine that is busy otherwise does not judge in time: %w", count(len(r.pins), "log-in"), err)
	}
	r.steps.next("each customer's first since the start")
	n := r.typical()
	conns, err := bench.DialAll(ctx, r.bank.target, n)
	if err != nil {
		return err
	}
	defer bench.CloseAll(conns)
	half := len(r.people) / 2
	if err := r.bank.fill(ctx, r.people[:half], 1); err != nil {
		return err
	}
	for _, part := range []struct {
		to  *benchFigures
		job bench.Job
	}{
		{&r.report.First.Answers, once(r.people[:half], n, answers)},
		{&r.report.First.LogIns, once(r.people[half:], n, logsIn)},
	} {
		c, err := r.bank.watch(ctx, func() (bench.Round, error) { return bench.Finish(ctx, conns, part.job) })
		if err = errors.Join(err, c.agree(c.Operations, 0)); err != nil {
			return fmt.Errorf("each customer's first: %w", err)
		}
		*part.to = figures(n, c)
	}
	return nil
}

// memory measures how much more the server holds while it judges many PINs.
func (r *benchRun) memory(ctx context.Context) error {
	conns, err := bench.DialAll(ctx, r.bank.target, len(r.pins))
	if err != nil {
		return err
	}
	defer bench.CloseAll(conns)
	if err := r.bank.fill(ctx, r.pins, 1); err != nil {
		return err
	}
	if err := r.bank.rest(ctx); err != nil {
		return err
	}
	server := r.bank.server.pid()
	before, err := bench.MemoryOf(server)
	if err != nil {
		return err
	}
	if err := bench.ResetPeak(server); err != nil {
		return err
	}
	round, err := bench.Finish(ctx, conns, once(r.pins, len(r.pins), provesBoth))
	if err != nil {
		return err
	}
	after, err := bench.MemoryOf(server)
	const mib = 1 << 20
	r.report.PIN.AtOnce = round.Operations
	r.report.PIN.Before, r.report.PIN.Peak = float64(before.Resident)/mib, float64(after.Peak)/mib
	r.report.PIN.Above = r.report.PIN.Peak - r.report.PIN.Before
	return err
}
