// SPDX-License-Identifier: BSD-2-Clause

// Go: four goroutines send, each to a channel of 256 of its own, and one
// selects from all four, on one processor or two.
package main

import (
	"runtime"
	"time"
)

func send(c chan int, n int) {
	for i := 0; i < n; i++ {
		c <- i
	}
}

func main() {
	cpus, n := arg(1, 1), arg(2, 500000)
	name := "select-4"
	if cpus == 2 {
		name = "select-4-2"
	}
	runtime.GOMAXPROCS(cpus)
	var c [4]chan int
	begin := time.Now()
	for i := range c {
		c[i] = make(chan int, 256)
		go send(c[i], n)
	}
	sum, v := 0, 0
	for got := 0; got < 4*n; got++ {
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		}
		sum += v
	}
	report(name, 1e3/nsEach(begin, 4*n), "M/s")
	check(sum == 4*(n*(n-1)/2), "lost messages")
}
