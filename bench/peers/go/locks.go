// SPDX-License-Identifier: BSD-2-Clause

// Go: mutex, and rwlock by readers, wanted by so many goroutines a processor;
// see bench/locks.h.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var mutex sync.Mutex
var rwlock sync.RWMutex
var counter int

func exclusive(times int) {
	for i := 0; i < times; i++ {
		mutex.Lock()
		counter++
		mutex.Unlock()
	}
}

func shared(times int) {
	sum := 0
	for i := 0; i < times; i++ {
		rwlock.RLock()
		sum += counter
		rwlock.RUnlock()
	}
	check(sum == 0, "somebody wrote")
}

func main() {
	kind, cpus, percpu := os.Args[1], arg(2, 1), arg(3, 1)
	each := arg(4, 20000000) / (cpus * percpu)
	loop := map[string]func(int){"mutex": exclusive, "rwlock": shared}[kind]
	check(loop != nil, "no lock '%s'", kind)
	runtime.GOMAXPROCS(cpus)
	var done sync.WaitGroup
	done.Add(cpus * percpu)
	begin := time.Now()
	for i := 0; i < cpus*percpu; i++ {
		go func() {
			loop(each)
			done.Done()
		}()
	}
	done.Wait()
	ns := nsEach(begin, each*cpus*percpu)
	check(kind == "rwlock" || counter == each*cpus*percpu, "%d, not %d",
		counter, each*cpus*percpu)
	if percpu == 1 {
		report(fmt.Sprintf("%s-%d", kind, cpus), ns, "ns")
	} else {
		report(fmt.Sprintf("%s-%dx%d", kind, cpus, percpu), 1e3/ns, "M/s")
	}
}
