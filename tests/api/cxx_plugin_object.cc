/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin in C++ that knows nothing of the library: cxx_plugin.c loads it.
 */
#include <string>

extern "C" int plugin_work(int id, void (*give_way)(void));

/* How many of the exceptions caught here were another thread's. */
extern "C" __attribute__((visibility("default"))) int
plugin_work(int id, void (*give_way)(void))
{
	int wrong = 0;

	for (int i = 0; i < 10; i++) {
		try {
			throw std::to_string(id);
		} catch (const std::string &) {
			give_way();
			try {
				throw;
			} catch (const std::string &s) {
				wrong += s != std::to_string(id);
			}
		}
	}
	return wrong;
}
