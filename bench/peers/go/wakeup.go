// SPDX-License-Identifier: BSD-2-Clause

// Go: two goroutines take turns by mutex and condition variable.
package main

import (
	"sync"
	"time"
)

func main() {
	n := arg(1, 1000000)
	var lock sync.Mutex
	var done sync.WaitGroup
	turn := 0
	mine := [2]*sync.Cond{sync.NewCond(&lock), sync.NewCond(&lock)}
	done.Add(2)
	begin := time.Now()
	for i := 0; i < 2; i++ {
		go func(self int) {
			lock.Lock()
			for j := 0; j < n; j++ {
				for turn%2 != self {
					mine[self].Wait()
				}
				turn++
				mine[1-self].Signal()
			}
			lock.Unlock()
			done.Done()
		}(i)
	}
	done.Wait()
	report("block-wakeup", nsEach(begin, 2*n), "ns")
	check(turn == 2*n, "%d turns, not %d", turn, 2*n)
}
