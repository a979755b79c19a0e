// Exceptions, run-time types and what hangs on them: the unwinder walks frames of this program on
// whichever CPU it runs, through destructors, catch clauses, threads and std::exception_ptr.

#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

static int alive;

struct Counted {
    Counted() { alive++; }
    Counted(const Counted &) { alive++; }
    ~Counted() { alive--; }
};

struct Failure : std::runtime_error, Counted {
    int depth;
    Failure(int depth) : std::runtime_error("depth " + std::to_string(depth)), depth(depth) {}
};

struct Base {
    virtual ~Base() = default;
    virtual int value() const { return 1; }
};
struct Left : virtual Base {};
struct Right : virtual Base {
    int value() const override { return 2; }
};
struct Both final : Left, Right {};
struct Other : Base {};

[[gnu::noinline]] static int descend(int depth)
{
    Counted here;
    if (depth == 0)
        throw Failure(200);
    return descend(depth - 1) + alive;
}

static void unwinding()
{
    for (int i = 0; i < 50; i++) {
        try {
            descend(200);
            CHECK(!"reached");
        } catch (const std::logic_error &) {
            CHECK(!"wrong clause");
        } catch (const std::exception &error) {
            CHECK(std::string(error.what()) == "depth 200");
            CHECK(dynamic_cast<const Failure &>(error).depth == 200);
            CHECK(alive == 1); // the exception itself
        }
        CHECK(alive == 0 && std::uncaught_exceptions() == 0);
    }
}

static void nesting()
{
    int order = 0;
    try {
        try {
            try {
                throw 7;
            } catch (int value) {
                order = value;
                throw; // the same object again
            }
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    } catch (const std::exception &outer) {
        CHECK(std::string(outer.what()) == "outer");
        try {
            std::rethrow_if_nested(outer);
            CHECK(!"nothing nested");
        } catch (int value) {
            CHECK(value == order);
        }
    }
    struct Member {
        Member() { throw 3; }
    };
    struct InFunctionTry {
        Member member;
        InFunctionTry() try : member() {
        } catch (int value) {
            throw value + 1;
        }
    };
    try {
        InFunctionTry object;
        CHECK(!"constructed");
    } catch (int value) {
        CHECK(value == 4);
    }
}

static void types()
{
    std::unique_ptr<Base> both = std::make_unique<Both>(), other = std::make_unique<Other>();
    CHECK(both->value() == 2 && other->value() == 1);
    CHECK(dynamic_cast<Left *>(both.get()) && dynamic_cast<Right *>(both.get()));
    CHECK(dynamic_cast<Left *>(other.get()) == nullptr);
    const Base &first = *both, &second = *other;
    CHECK(typeid(first) == typeid(Both) && typeid(second) == typeid(Other));
    CHECK(std::string(typeid(Both).name()) == "4Both");
    try {
        (void)dynamic_cast<Left &>(*other);
        CHECK(!"bad cast");
    } catch (const std::bad_cast &) {
    }
}

static void library()
{
    std::vector<int> three(3);
    try {
        three.at(3) = 1;
        CHECK(!"out of range");
    } catch (const std::out_of_range &) {
    }
    try {
        std::function<void()>{}();
        CHECK(!"empty function");
    } catch (const std::bad_function_call &) {
    }
    try {
        std::string().append(std::string::npos - 8, 'x');
        CHECK(!"too long");
    } catch (const std::length_error &) {
    }
    volatile std::size_t huge = std::size_t{1} << 60;
    CHECK(::operator new(huge, std::nothrow) == nullptr);
    try {
        ::operator delete(::operator new(huge));
        CHECK(!"allocated");
    } catch (const std::bad_alloc &) {
    }
}

static void between_threads()
{
    std::exception_ptr carried;
    std::thread([&] {
        try {
            descend(5);
        } catch (...) {
            carried = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(carried);
    } catch (const Failure &failure) {
        CHECK(failure.depth == 200);
    }
    auto later = std::async(std::launch::async, []() -> int { throw std::string("async"); });
    try {
        (void)later.get();
        CHECK(!"no exception");
    } catch (const std::string &text) {
        CHECK(text == "async");
    }
    std::promise<int> broken;
    auto future = broken.get_future();
    { std::promise<int> gone = std::move(broken); }
    try {
        (void)future.get();
        CHECK(!"promise kept");
    } catch (const std::future_error &error) {
        CHECK(error.code() == std::future_errc::broken_promise);
    }
    std::vector<std::thread> many;
    for (int i = 0; i < 8; i++)
        many.emplace_back([i] {
            for (int round = 0; round < 20; round++) {
                try {
                    throw std::pair<int, int>(i, round);
                } catch (const std::pair<int, int> &pair) {
                    CHECK(pair.first == i && pair.second == round);
                }
            }
        });
    for (auto &thread : many)
        thread.join();
}

int main()
{
    unwinding();
    nesting();
    types();
    library();
    between_threads();
    std::puts("ok");
}
