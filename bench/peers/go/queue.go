// SPDX-License-Identifier: BSD-2-Clause

// Go: one goroutine puts, one gets, through a channel of 1024, on one
// processor or two.
package main

import (
	"fmt"
	"runtime"
	"time"
)

func main() {
	cpus, n := arg(1, 1), arg(2, 3000000)
	runtime.GOMAXPROCS(cpus)
	queue, sum := make(chan int, 1024), 0
	begin := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			queue <- i
		}
		close(queue)
	}()
	for v := range queue {
		sum += v
	}
	report(fmt.Sprintf("queue-%d", cpus), 1e3/nsEach(begin, n), "M/s")
	check(sum == n*(n-1)/2, "lost items")
}
