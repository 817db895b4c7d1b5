// SPDX-License-Identifier: BSD-2-Clause

// Go: 100,000 goroutines that sleep 1 to 100 ms again and again.
package main

import (
	"math"
	"sync"
	"time"
)

const window = 3 * time.Second

func main() {
	n := arg(1, 100000)
	late := make([]int64, 0, 8000000)
	start := time.Now()
	begin := time.Duration(math.MaxInt64 - int64(window))
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		go func(rng uint64) {
			now := time.Since(start)
			for now < begin+window {
				rng ^= rng >> 12
				rng ^= rng << 25
				rng ^= rng >> 27
				want := time.Millisecond + time.Duration(
					rng*0x2545f4914f6cdd1d%99000001)
				asked := now
				time.Sleep(want)
				now = time.Since(start)
				check(now-asked >= want, "woke early")
				if now >= begin && now < begin+window {
					late = append(late,
						int64(now-asked-want))
				}
				now = time.Since(start)
			}
			done.Done()
		}(uint64(i)*2654435761 + 1)
	}
	time.Sleep(500 * time.Millisecond)
	begin = time.Since(start)
	done.Wait()
	check(len(late) > 1000, "only %d wake-ups", len(late))
	report("sleepers-rate", float64(len(late))*1e3/float64(window), "M/s")
	report("sleepers-p99", percentile(late, 0.99)/1e6, "ms")
}
