package runner

import (
	"context"
	"time"
)

// Run records a scenario once and judges every crash state of it under each
// model, or as many as the budget of the options allows. An error means that
// there was nothing to judge: the workload failed, or does not do the same
// twice; or the context ended: then the results so far are returned with its error,
// and the last of them says how far its search had come; or, as oracle.ErrNoVerdict, that something
// else than the program failed, so that no verdict could be relied on. Failures are
// stored when all models were judged. One that could not be stored is known all the
// same: see Result.Unstored.
func Run(ctx context.Context, s Scenario, o Options) ([]Result, error) {
	limits := o.limitsFrom(time.Now())
	take, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if take.work, err = s.openWork(&o, take, testName{}); err != nil {
		return nil, err
	}
	var results []Result
	models := o.models(&s)
	for i, m := range models {
		if ctx.Err() != nil {
			break
		}
		r, err := verdict(ctx, &s, take, m, limits.share(&o, len(models)-i))
		if err != nil {
			return nil, err
		}
		limits.spend(&r)
		results = append(results, r)
	}
	if o.Failures != "" {
		for i := range results {
			_ = results[i].Store(o.Failures) // it is noted in the result
		}
	}
	return results, ctx.Err()
}
