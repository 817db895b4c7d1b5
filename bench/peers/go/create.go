// SPDX-License-Identifier: BSD-2-Clause

// Go: start a goroutine that does nothing, wait for it.
package main

import (
	"sync"
	"time"
)

func main() {
	n := arg(1, 2000000)
	ran := 0
	var done sync.WaitGroup
	begin := time.Now()
	for i := 0; i < n; i++ {
		done.Add(1)
		go func() {
			ran++
			done.Done()
		}()
		done.Wait()
	}
	report("create-join", nsEach(begin, n), "ns")
	check(ran == n, "%d of %d ran", ran, n)
}
