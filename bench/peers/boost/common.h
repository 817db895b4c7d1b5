/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: what its programs share: fibers on pooled stacks of 16 KB,
 * which is its fastest stack allocator.
 */
#ifndef BENCH_BOOST_COMMON_H
#define BENCH_BOOST_COMMON_H

#include <boost/fiber/all.hpp>
#include "bench.h"

namespace fibers = boost::fibers;

template <typename Fn, typename... Args>
fibers::fiber
start(Fn &&fn, Args &&...args)
{
	static thread_local fibers::pooled_fixedsize_stack pool(BENCH_STACK);

	return fibers::fiber(fibers::launch::post, std::allocator_arg, pool,
	    std::forward<Fn>(fn), std::forward<Args>(args)...);
}

#endif
