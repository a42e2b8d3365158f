package bench

import (
	"math"
	"slices"
	"time"
)

// Quantile returns the smallest of the times below or at which the share q of
// them lies (nearest rank), 0 of none.
func Quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// AUC is how often a time drawn from a is longer than one drawn from b, a tie
// counting half: the statistic of Mann and Whitney divided by all pairs. At 0.5
// the one cannot be told from the other by the time; at 0 and at 1 always. Both
// have to hold something.
func AUC(a, b []time.Duration) float64 {
	type mark struct {
		took time.Duration
		ofA  bool
	}
	all := make([]mark, 0, len(a)+len(b))
	for _, d := range a {
		all = append(all, mark{d, true})
	}
	for _, d := range b {
		all = append(all, mark{d, false})
	}
	slices.SortFunc(all, func(x, y mark) int { return int(x.took - y.took) })
	ranks := 0.0 // of a
	for i := 0; i < len(all); {
		j, ofA := i, 0
		for ; j < len(all) && all[j].took == all[i].took; j++ {
			if all[j].ofA {
				ofA++
			}
		}
		ranks += float64(ofA) * float64(i+1+j) / 2 // ties share the mean of their ranks
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	return (ranks - n*(n+1)/2) / (n * m)
}

// Chance is how far from 0.5 an AUC of two samples of these sizes comes by
// chance alone in all but one of twenty cases, where nothing tells them apart.
func Chance(n, m int) float64 {
	return 1.96 * math.Sqrt(float64(n+m+1)/(12*float64(n)*float64(m)))
}
