// SPDX-License-Identifier: BSD-2-Clause

// Go: one broadcast to all goroutines that wait on one condition variable,
// until the last of them has run.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

var lock sync.Mutex
var nextRound, allRan = sync.NewCond(&lock), sync.NewCond(&lock)
var now, ran int

func sleeper(n, rounds int) {
	lock.Lock()
	defer lock.Unlock()
	for round := 0; ; round++ {
		ran++
		if ran%n == 0 {
			allRan.Signal()
		}
		if round == rounds {
			return
		}
		for now == round {
			nextRound.Wait()
		}
	}
}

func main() {
	cpus, n, rounds := arg(1, 1), arg(2, 10000), arg(3, 50)
	runtime.GOMAXPROCS(cpus)
	for i := 0; i < n; i++ {
		go sleeper(n, rounds)
	}
	lock.Lock()
	for ran < n {
		allRan.Wait()
	}
	var took time.Duration
	for now < rounds {
		begin := time.Now()
		now++
		nextRound.Broadcast()
		for ran < (now+1)*n {
			allRan.Wait()
		}
		took += time.Since(begin)
	}
	check(ran == (rounds+1)*n, "%d runs", ran)
	report(fmt.Sprintf("wakeup-bcast-%d", cpus),
		float64(took.Nanoseconds())/float64(n*rounds), "ns")
}
