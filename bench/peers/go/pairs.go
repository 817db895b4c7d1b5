// SPDX-License-Identifier: BSD-2-Clause

// Go: 10,000 pairs of goroutines of one processor, all at once.  Each pair has
// a channel for questions and one for answers.
package main

import (
	"runtime"
	"sync"
	"time"
)

var start, done sync.WaitGroup

func serve(questions, answers chan int, trips int) {
	start.Wait()
	for i := 0; i < trips; i++ {
		answers <- <-questions + 1
	}
	done.Done()
}

func ask(questions, answers chan int, trips int) {
	start.Wait()
	value := 0
	for i := 0; i < trips; i++ {
		questions <- value
		value = <-answers
	}
	check(value == trips, "%d answers, not %d", value, trips)
	done.Done()
}

func main() {
	pairs, trips := arg(1, 10000), arg(2, 100)
	runtime.GOMAXPROCS(1)
	start.Add(1)
	done.Add(2 * pairs)
	for i := 0; i < pairs; i++ {
		questions, answers := make(chan int), make(chan int)
		go serve(questions, answers, trips)
		go ask(questions, answers, trips)
	}
	begin := time.Now()
	start.Done()
	done.Wait()
	report("pairs-10000", nsEach(begin, pairs*trips), "ns")
}
