// The standard library over the kernel: threads and their tools, streams over descriptors, files
// through std::filesystem, clocks, and the containers and algorithms that stress memory.

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <latch>
#include <map>
#include <mutex>
#include <numeric>
#include <queue>
#include <random>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::cout << __FILE__ << ':' << __LINE__ << ": " << #condition << std::endl;           \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

using namespace std::chrono_literals;
namespace files = std::filesystem;

static void in_threads(int count, auto &&body)
{
    std::vector<std::thread> threads;
    for (int i = 0; i < count; i++)
        threads.emplace_back([&body, i] { body(i); });
    for (auto &thread : threads)
        thread.join();
}

static std::atomic<int> destroyed;

static void locks()
{
    std::mutex mutex;
    std::shared_mutex shared;
    std::counting_semaphore<3> seats(3);
    std::once_flag once;
    int total = 0, first = 0, seated = 0;
    std::atomic<int> most = 0, now = 0;
    in_threads(8, [&](int) {
        struct Farewell {
            ~Farewell() { destroyed++; }
        };
        thread_local Farewell farewell;
        (void)farewell;
        std::call_once(once, [&] { first++; });
        for (int i = 0; i < 200; i++) {
            std::scoped_lock hold(mutex);
            total++;
        }
        seats.acquire();
        int inside = ++now;
        for (int seen = most; seen < inside && !most.compare_exchange_weak(seen, inside);)
            ;
        std::this_thread::yield();
        now--;
        seats.release();
        std::shared_lock reading(shared);
        reading.unlock();
        std::unique_lock writing(shared);
        seated++;
    });
    CHECK(total == 1600 && first == 1 && seated == 8 && most <= 3 && destroyed == 8);
    std::timed_mutex timed;
    timed.lock();
    std::thread([&] { CHECK(!timed.try_lock_for(5ms)); }).join();
    timed.unlock();
}

static void signalling()
{
    std::mutex mutex;
    std::condition_variable changed;
    std::queue<int> queue;
    long sum = 0;
    std::jthread consumer([&] {
        for (;;) {
            std::unique_lock hold(mutex);
            changed.wait(hold, [&] { return !queue.empty(); });
            int value = queue.front();
            queue.pop();
            if (value < 0)
                return;
            sum += value;
        }
    });
    for (int i = 1; i <= 500; i++) {
        std::scoped_lock hold(mutex);
        queue.push(i);
        changed.notify_one();
    }
    {
        std::scoped_lock hold(mutex);
        queue.push(-1);
    }
    changed.notify_all();
    consumer.join();
    CHECK(sum == 125250);
    std::unique_lock hold(mutex);
    CHECK(changed.wait_for(hold, 5ms) == std::cv_status::timeout);

    std::latch ready(4);
    int rounds = 0;
    std::barrier meeting(4, [&]() noexcept { rounds++; });
    in_threads(4, [&](int) {
        ready.arrive_and_wait();
        for (int i = 0; i < 10; i++)
            meeting.arrive_and_wait();
    });
    CHECK(rounds == 10);
    std::atomic<int> gate = 0;
    std::jthread opener([&] {
        gate = 1;
        gate.notify_all();
    });
    gate.wait(0);
}

static void streams()
{
    std::ostringstream text;
    text << std::setw(6) << std::setfill('0') << 42 << ' ' << std::hex << 255 << ' '
         << std::setprecision(3) << 3.14159 << ' ' << std::boolalpha << true;
    CHECK(text.str() == "000042 ff 3.14 true");
    std::istringstream words("10 0x1f word");
    int ten;
    std::string hex, word;
    CHECK(words >> ten >> hex >> word && ten == 10 && word == "word" && words.eof());
    CHECK(std::stoi(hex, nullptr, 16) == 31);
}

static void tree()
{
    char name[] = "/tmp/cpp-XXXXXX";
    CHECK(mkdtemp(name));
    files::path top = name;
    files::create_directories(top / "a/b/c");
    for (int i = 0; i < 20; i++)
        std::ofstream(top / "a" / ("file" + std::to_string(i))) << std::string(i * 100, 'x');
    files::create_symlink("a", top / "link");
    std::uintmax_t bytes = 0, directories = 0;
    for (const auto &entry : files::recursive_directory_iterator(top)) {
        directories += entry.is_directory() && !entry.is_symlink();
        bytes += entry.is_regular_file() ? entry.file_size() : 0;
    }
    CHECK(directories == 3 && bytes == 19000);
    CHECK(files::canonical(top / "link/b/..") == files::canonical(top) / "a");
    files::copy(top / "a", top / "copy", files::copy_options::recursive);
    files::rename(top / "copy/file7", top / "seven");
    files::resize_file(top / "seven", 10);
    CHECK(files::file_size(top / "seven") == 10 && !files::exists(top / "copy/file7"));
    files::permissions(top / "seven", files::perms::owner_read);
    CHECK(files::status(top / "seven").permissions() == files::perms::owner_read);
    std::error_code failed;
    CHECK(!files::remove(top / "a", failed) && failed == std::errc::directory_not_empty);
    std::fstream both(top / "both", std::ios::in | std::ios::out | std::ios::trunc);
    both << "first\nsecond\n";
    both.seekg(6);
    std::string line;
    CHECK(std::getline(both, line) && line == "second");
    CHECK(files::remove_all(top) > 40 && !files::exists(top));
    CHECK(files::space("/tmp").capacity > 0);
}

static void containers()
{
    std::mt19937_64 random(1);
    std::vector<std::uint64_t> numbers(20000);
    std::generate(numbers.begin(), numbers.end(), random);
    std::map<std::uint64_t, int> sorted;
    std::unordered_map<std::uint64_t, int> hashed;
    for (auto number : numbers)
        sorted[number % 4096]++, hashed[number % 4096]++;
    CHECK(sorted.size() == hashed.size());
    for (const auto &[key, count] : sorted)
        CHECK(hashed[key] == count);
    std::sort(numbers.begin(), numbers.end());
    CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    CHECK(std::random_device()() != std::random_device()());
}

static void clocks()
{
    auto before = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_until(before + 10ms);
    CHECK(std::chrono::steady_clock::now() - before >= 10ms);
    CHECK(std::chrono::system_clock::now().time_since_epoch() > 24h * 365 * 50);
}

int main()
{
    CHECK(std::thread::hardware_concurrency() >= 1);
    locks();
    signalling();
    streams();
    tree();
    containers();
    clocks();
    std::cout << "ok" << std::endl;
}
