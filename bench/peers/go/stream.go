// SPDX-License-Identifier: BSD-2-Clause

// Go: values one way through a channel of 1024, one value an element, or 64;
// where the two goroutines run is the runtime's choice.
package main

import "time"

type parcel [64]uint64

func single(n uint64) (sum uint64) {
	ch := make(chan uint64, 1024)
	go func() {
		for i := uint64(0); i < n; i++ {
			ch <- i
		}
		close(ch)
	}()
	for v := range ch {
		sum += v
	}
	return
}

func batched(n uint64) (sum uint64) {
	ch := make(chan parcel, 1024)
	go func() {
		var p parcel
		for sent := uint64(0); sent < n; {
			for i := range p {
				p[i] = sent
				sent++
			}
			ch <- p
		}
		close(ch)
	}()
	for p := range ch {
		for _, v := range p {
			sum += v
		}
	}
	return
}

func main() {
	batch := arg(1, 1)
	n := uint64(arg(2, 2000000) * batch)
	name, run := "stream-single", single
	if batch == 64 {
		name, run = "stream-batch", batched
	}
	begin := time.Now()
	sum := run(n)
	report(name, float64(n)*1e3/float64(time.Since(begin).Nanoseconds()),
		"M/s")
	check(sum == n*(n-1)/2, "lost values")
}
