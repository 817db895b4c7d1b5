// SPDX-License-Identifier: BSD-2-Clause

// Go: a token goes round 1,000 goroutines of one processor, each with a
// channel.  The last round ends them.
package main

import (
	"runtime"
	"time"
)

const members = 1000

func main() {
	n := arg(1, 1000000)
	runtime.GOMAXPROCS(1)
	var channel [members]chan int
	for i := range channel {
		channel[i] = make(chan int)
	}
	last := make(chan int)
	for i := range channel {
		from, to := channel[i], channel[(i+1)%members]
		go func() {
			for hops := 0; hops <= n; {
				hops = <-from + 1
				if hops == n+members {
					last <- hops
				} else {
					to <- hops
				}
			}
		}()
	}
	runtime.Gosched()
	begin := time.Now()
	channel[0] <- 0
	hops := <-last
	report("ring-1000", nsEach(begin, hops), "ns")
	check(hops == n+members, "%d hops", hops)
}
