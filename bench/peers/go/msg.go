// SPDX-License-Identifier: BSD-2-Clause

// Go: a question and its answer through two channels.  For two cores both
// goroutines are bound to host threads; left alone they share one core.
package main

import "time"

func main() {
	cpus := arg(1, 1)
	name, n := "msg-local", arg(2, 1000000)
	if cpus == 2 {
		name, n = "msg-cross", arg(2, 10000)
		pin(0)
	}
	questions, answers := make(chan int), make(chan int)
	go func() {
		if cpus == 2 {
			pin(1)
		}
		for v := range questions {
			answers <- v + 1
		}
	}()
	value := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		questions <- value
		value = <-answers
	}
	report(name, nsEach(begin, n), "ns")
	check(value == n, "%d answers, not %d", value, n)
}
