// SPDX-License-Identifier: BSD-2-Clause

// Go: N goroutines that yield.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

var last, handovers int

func main() {
	n := arg(1, 2)
	rounds := arg(2, 4000000) / n
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		go func(self int) {
			for j := 0; j < rounds; j++ {
				if last != self {
					handovers++
				}
				last = self
				runtime.Gosched()
			}
			done.Done()
		}(i)
	}
	runtime.Gosched()
	begin := time.Now()
	done.Wait()
	took := nsEach(begin, handovers)
	check(handovers > n*rounds/2, "%d switches in %d yields", handovers,
		n*rounds)
	report(fmt.Sprintf("yield-%d", n), took, "ns")
}
