// C++: std::thread and what goes with it, exceptions within and across threads, thread_local.
#include <atomic>
#include <condition_variable>
#include <chrono>
#include <cstdio>
#include <exception>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int failures;

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::printf("threads_cxx.cpp:%d: failed: %s\n", __LINE__, #condition);                  \
            failures++;                                                                         \
        }                                                                                       \
    } while (0)

namespace {

struct Trace {
    std::atomic<int> &count;
    explicit Trace(std::atomic<int> &c) : count(c) { count++; }
    ~Trace() { count--; }
};

std::atomic<int> alive;

int deep(int depth)
{
    Trace here(alive);
    if (depth == 0)
        throw std::out_of_range("bottom");
    return deep(depth - 1) + 1;
}

void exceptions()
{
    try {
        deep(50);
        CHECK(false);
    } catch (const std::logic_error &error) {
        CHECK(std::string(error.what()) == "bottom");
    }
    CHECK(alive == 0);
    try {
        try {
            (void)std::vector<int>().at(3);
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    } catch (const std::runtime_error &error) {
        CHECK(std::string(error.what()) == "outer");
    }
}

thread_local std::string name = "unset";

void in_threads()
{
    std::vector<std::thread> threads;
    std::vector<std::exception_ptr> caught(16);
    for (int i = 0; i < 16; i++)
        threads.emplace_back([i, &caught] {
            CHECK(name == "unset");
            name = std::to_string(i);
            try {
                deep(i);
            } catch (...) {
                caught[i] = std::current_exception();
            }
            CHECK(name == std::to_string(i));
        });
    for (auto &thread : threads)
        thread.join();
    for (auto &one : caught) {
        bool thrown = false;
        try {
            std::rethrow_exception(one);
        } catch (const std::out_of_range &) {
            thrown = true;
        }
        CHECK(thrown);
    }
    CHECK(alive == 0 && name == "unset");
}

void futures()
{
    auto answer = std::async(std::launch::async, [] { return 42; });
    auto failure = std::async(std::launch::async, []() -> int { throw 7; });
    CHECK(answer.get() == 42);
    try {
        (void)failure.get();
        CHECK(false);
    } catch (int value) {
        CHECK(value == 7);
    }
    std::promise<std::string> promise;
    auto later = promise.get_future();
    CHECK(later.wait_for(std::chrono::milliseconds(10)) == std::future_status::timeout);
    std::thread sender([&promise] { promise.set_value("sent"); });
    CHECK(later.get() == "sent");
    sender.join();
}

void locks()
{
    std::mutex mutex;
    std::recursive_timed_mutex timed;
    std::shared_mutex shared;
    std::condition_variable condition;
    std::once_flag once;
    int turn = 0, calls = 0, value = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&, i] {
            std::call_once(once, [&] { calls++; });
            for (int round = 0; round < 20; round++) {
                std::unique_lock lock(mutex);
                condition.wait(lock, [&] { return turn % 8 == i; });
                turn++;
                condition.notify_all();
                lock.unlock();
                if (round % 5 == 0) {
                    std::unique_lock writing(shared);
                    value++;
                } else {
                    std::shared_lock reading(shared);
                    CHECK(value >= 0);
                }
            }
        });
    for (auto &thread : threads)
        thread.join();
    CHECK(turn == 160 && calls == 1 && value == 32);
    timed.lock();
    timed.lock();
    std::thread([&timed] {
        CHECK(!timed.try_lock_for(std::chrono::milliseconds(10)));
    }).join();
    timed.unlock();
    timed.unlock();
}

} // namespace

int main()
{
    exceptions();
    in_threads();
    futures();
    locks();
    if (failures == 0)
        std::puts("ok");
    return failures;
}
