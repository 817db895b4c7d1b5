// SPDX-License-Identifier: BSD-2-Clause

// Go: fork and join.  fib(n) starts a goroutine for fib(n-1), computes
// fib(n-2) itself and waits for the goroutine by a channel.
package main

import (
	"fmt"
	"runtime"
	"time"
)

func fib(n int) (result, threads int) {
	if n < 2 {
		return n, 0
	}
	type answer struct{ result, threads int }
	forked := make(chan answer)
	go func() {
		r, t := fib(n - 1)
		forked <- answer{r, t}
	}()
	result, threads = fib(n - 2)
	a := <-forked
	return result + a.result, threads + a.threads + 1
}

func main() {
	cpus, n, rounds := arg(1, 1), arg(2, 20), arg(3, 100)
	runtime.GOMAXPROCS(cpus)
	want, next := 0, 1
	for i := 0; i < n; i++ {
		want, next = next, want+next
	}
	all := 0
	begin := time.Now()
	for i := 0; i < rounds; i++ {
		result, threads := fib(n)
		check(result == want, "wrong sum %d", result)
		all += threads
	}
	report(fmt.Sprintf("fib-%d", cpus), nsEach(begin, all), "ns")
}
