// SPDX-License-Identifier: BSD-2-Clause

// Go on all processors at once: switches by Gosched and by condition
// variables, two goroutines a processor, and round trips by channels, each
// end bound to a host thread on a CPU.  See bench/lwkt/scale.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var n int
var done sync.WaitGroup

func start(fn func()) {
	done.Add(1)
	go func() {
		fn()
		done.Done()
	}()
}

// yield counts the calls: where the goroutines run is the runtime's choice.
func yield(cpus int) int {
	for i := 0; i < 2*cpus; i++ {
		start(func() {
			for j := 0; j < n; j++ {
				runtime.Gosched()
			}
		})
	}
	done.Wait()
	return 2 * cpus * n
}

func wakeup(cpus int) int {
	turns := make([]int, cpus)
	for i := 0; i < cpus; i++ {
		turn := 0
		cpu := i
		var lock sync.Mutex
		mine := [2]*sync.Cond{sync.NewCond(&lock), sync.NewCond(&lock)}
		for j := 0; j < 2; j++ {
			self := j
			start(func() {
				lock.Lock()
				for k := 0; k < n; k++ {
					for turn%2 != self {
						mine[self].Wait()
					}
					turn++
					mine[1-self].Signal()
				}
				turns[cpu] = turn
				lock.Unlock()
			})
		}
	}
	done.Wait()
	total := 0
	for _, turn := range turns {
		total += turn
	}
	check(total == 2*cpus*n, "%d turns, not %d", total, 2*cpus*n)
	return total
}

func msg(cpus int) int {
	total := make([]int, cpus)
	for i := 0; i+1 < cpus; i += 2 {
		cpu, questions, answers := i, make(chan int), make(chan int)
		start(func() {
			pin(cpu + 1)
			for v := range questions {
				answers <- v + 1
			}
		})
		start(func() {
			pin(cpu)
			value := 0
			for j := 0; j < n; j++ {
				questions <- value
				value = <-answers
			}
			close(questions)
			total[cpu] = value
		})
	}
	done.Wait()
	trips := 0
	for _, value := range total {
		trips += value
	}
	check(trips > 0 && trips == cpus/2*n, "%d answers, not %d", trips, cpus/2*n)
	return trips
}

func main() {
	kind, cpus := os.Args[1], arg(2, 1)
	times := map[string]int{"yield": 2000000, "wakeup": 500000, "msg": 10000}
	run := map[string]func(int) int{"yield": yield, "wakeup": wakeup,
		"msg": msg}[kind]
	check(run != nil, "no kind '%s'", kind)
	n = arg(3, times[kind])
	runtime.GOMAXPROCS(cpus)
	begin := time.Now()
	count := run(cpus)
	report(fmt.Sprintf("%s-%d", kind, cpus),
		float64(count)*1e3/float64(time.Since(begin).Nanoseconds()), "M/s")
}
