// SPDX-License-Identifier: BSD-2-Clause

// What every Go program here shares; see bench/bench.h for the rules.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func report(bench string, value float64, unit string) {
	fmt.Printf("%s go %.6g %s\n", bench, value, unit)
}

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
		os.Exit(1)
	}
}

// arg is argument i as a number, or what is meant without one.
func arg(i int, dflt int) int {
	if i >= len(os.Args) {
		return dflt
	}
	v, err := strconv.Atoi(os.Args[i])
	check(err == nil && v > 0, "argument %d is no positive number", i)
	return v
}

func nsEach(begin time.Time, n int) float64 {
	return float64(time.Since(begin).Nanoseconds()) / float64(n)
}

// pin binds the goroutine to a host thread and that to the nth CPU, from 0,
// of those that the program was given.
func pin(nth int) {
	mask := [16]uint64{}
	runtime.LockOSThread()
	for cpu, left := 0, nth; left >= 0 && cpu < 1024; cpu++ {
		if cpus[cpu/64]&(1<<(cpu%64)) == 0 {
			continue
		}
		if left == 0 {
			mask[cpu/64] = 1 << (cpu % 64)
		}
		left--
	}
	check(affinity(syscall.SYS_SCHED_SETAFFINITY, &mask),
		"cannot use CPU %d", nth)
}

var cpus = func() (mask [16]uint64) {
	check(affinity(syscall.SYS_SCHED_GETAFFINITY, &mask), "no affinity")
	return
}()

func affinity(call uintptr, mask *[16]uint64) bool {
	_, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*mask),
		uintptr(unsafe.Pointer(mask)))
	return errno == 0
}

func percentile(sample []int64, p float64) float64 {
	sort.Slice(sample, func(i, j int) bool { return sample[i] < sample[j] })
	return float64(sample[int(float64(len(sample))*p)])
}

// kilobytes is the number after a key in a /proc file of "Key: n kB" lines.
func kilobytes(path, key string) int64 {
	text, err := os.ReadFile(path)
	check(err == nil, "cannot read %s", path)
	for _, line := range strings.Split(string(text), "\n") {
		if field := strings.Fields(line); len(field) > 1 &&
			field[0] == key {
			v, _ := strconv.ParseInt(field[1], 10, 64)
			return v
		}
	}
	return 0
}

func memory() int64 {
	return 1024 * (kilobytes("/proc/self/smaps_rollup", "Rss:") +
		kilobytes("/proc/self/status", "VmPTE:"))
}
