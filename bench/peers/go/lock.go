// SPDX-License-Identifier: BSD-2-Clause

// Go: a counter under a mutex that nobody else wants.
package main

import (
	"sync"
	"time"
)

var lock sync.Mutex
var counter int

func main() {
	n := arg(1, 20000000)
	begin := time.Now()
	for i := 0; i < n; i++ {
		lock.Lock()
		counter++
		lock.Unlock()
	}
	report("lock", nsEach(begin, n), "ns")
	check(counter == n, "%d, not %d", counter, n)
}
