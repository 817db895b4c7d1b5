// SPDX-License-Identifier: BSD-2-Clause

// Go: stop the goroutines that compute on the other processors and let them
// go on: what ReadMemStats does before and after it adds up some counters.
package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

func main() {
	cpus, n := arg(2, 2), arg(3, 2000)
	runtime.GOMAXPROCS(cpus)
	var stop, started int32
	for i := 1; i < cpus; i++ {
		go func() {
			atomic.AddInt32(&started, 1)
			for atomic.LoadInt32(&stop) == 0 {
			}
		}()
	}
	for atomic.LoadInt32(&started) < int32(cpus-1) {
		runtime.Gosched()
	}
	var stats runtime.MemStats
	begin := time.Now()
	for i := 0; i < n; i++ {
		runtime.ReadMemStats(&stats)
	}
	report(fmt.Sprintf("cpusync-%d", cpus), nsEach(begin, n), "ns")
	check(stats.Sys > 0, "no statistics")
}
