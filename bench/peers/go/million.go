// SPDX-License-Identifier: BSD-2-Clause

// Go: a million goroutines at once, each blocked on one channel, then woken
// and waited for.
package main

import (
	"runtime"
	"sync"
	"time"
)

func main() {
	n := arg(1, 1000000)
	blocked, finished := 0, 0
	gate := make(chan struct{})
	var done sync.WaitGroup
	done.Add(n)
	before := memory()
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() {
			blocked++
			<-gate
			finished++
			done.Done()
		}()
	}
	for blocked < n {
		runtime.Gosched()
	}
	took := time.Since(begin)
	bytes := memory() - before
	begin = time.Now()
	close(gate)
	done.Wait()
	took += time.Since(begin)
	check(finished == n, "%d of %d finished", finished, n)
	report("million-time", float64(took.Nanoseconds())/float64(n), "ns")
	report("million-bytes", float64(bytes)/float64(n), "B")
}
