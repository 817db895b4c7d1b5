// SPDX-License-Identifier: BSD-2-Clause

// Go: a tree of goroutines, ten children each, a million leaves.
package main

import (
	"fmt"
	"runtime"
	"time"
)

func walk(up chan int, number, leaves int) {
	if leaves == 1 {
		up <- number
		return
	}
	sums := make(chan int)
	for i := 0; i < 10; i++ {
		go walk(sums, number+i*leaves/10, leaves/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	up <- sum
}

func main() {
	cpus, leaves := arg(1, 1), arg(2, 1000000)
	runtime.GOMAXPROCS(cpus)
	begin := time.Now()
	result := make(chan int)
	go walk(result, 0, leaves)
	sum := <-result
	report(fmt.Sprintf("skynet-%d", cpus),
		float64(time.Since(begin).Nanoseconds())/1e6, "ms")
	check(sum == leaves*(leaves-1)/2, "wrong sum %d", sum)
}
