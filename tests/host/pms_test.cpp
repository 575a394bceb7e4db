// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <random>
#include "console/input.h"
#include "fakes/i8042.h"
#include "vesper.h"

extern const Driver pckbd, pms;

namespace {

using input::PointerEvent;

struct Pms : testing::Test {
    FakeMachine machine;
    FakeController controller;
    InputDevice* mouse = nullptr;

    void attach(bool with_keyboard = true)
    {
        machine.ports(0x60, 5, controller);
        machine.on_wait = [this] {  // interrupts come while somebody waits
            if (!controller.output.empty())
                machine.interrupt(controller.output[0].from_mouse ? 12 : 1);
        };
        if (with_keyboard) {
            ASSERT_TRUE(machine.attach(pckbd));
        }
        ASSERT_TRUE(machine.attach(pms));
        machine.on_wait = nullptr;
        for (InputDevice* i = first_input_device(); i; i = i->next) {
            if (i->kind == InputDevice::Kind::pointer) mouse = i;
        }
        ASSERT_NE(mouse, nullptr);
        EXPECT_EQ(mouse->name.view(), "pms0");
        controller.deliver(machine);
    }
    void send(std::initializer_list<int> bytes)
    {
        machine.now_us += 10'000;
        controller.from_mouse(bytes);
        controller.deliver(machine);
    }
    static std::vector<PointerEvent> events()
    {
        std::vector<PointerEvent> all;
        for (PointerEvent event; input::next_pointer_event(event);) all.push_back(event);
        return all;
    }
    PointerEvent event(std::initializer_list<int> bytes)
    {
        send(bytes);
        auto all = events();
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? PointerEvent{} : all.front();
    }
    void settle()  // until the mouse has been told everything
    {
        for (int i = 0; i < 200; ++i) mouse->poll();
    }
};

TEST_F(Pms, KnocksForFiveButtons)
{
    attach();
    EXPECT_TRUE(machine.logged("pms0 at mainbus0 isa: PS/2 mouse, 5 buttons, wheel"));
    EXPECT_TRUE(controller.mouse.reports);
    EXPECT_EQ(controller.mouse.rate, 100u);
    EXPECT_EQ(controller.command_byte, 0x47);  // both ports, both interrupts, translating
    EXPECT_LT(machine.now_us, 1000u);
}

TEST_F(Pms, KnowsAWheelMouseAndAPlainOne)
{
    controller.mouse.best_id = 3;
    attach();
    EXPECT_EQ(mouse->model, "PS/2 mouse, 3 buttons, wheel");
    EXPECT_EQ(event({0x08, 1, 2, 0xff}).wheel, 1);
    controller.mouse.best_id = 0;
    controller.plug_mouse();
    controller.deliver(machine);
    settle();
    EXPECT_EQ(mouse->model, "PS/2 mouse, 3 buttons");
    EXPECT_EQ(event({0x08, 1, 2}).y, -2);
}

TEST_F(Pms, ReportsMotionInAllDirections)
{
    attach();
    machine.now_us = 1'000'000;
    auto e = event({0x08, 5, 3, 0});
    EXPECT_EQ(e.x, 5);
    EXPECT_EQ(e.y, -3);  // the mouse counts upwards
    EXPECT_EQ(e.time_us, 1'010'000u);
    EXPECT_EQ(e.device, mouse);
    EXPECT_FALSE(e.absolute);
    e = event({0x38, 0xfb, 0xfd, 0});
    EXPECT_EQ(e.x, -5);
    EXPECT_EQ(e.y, 3);
    e = event({0x48, 0, 0, 0});  // overflow
    EXPECT_EQ(e.x, 255);
    e = event({0xa8, 1, 0, 0});
    EXPECT_EQ(e.y, 256);
}

TEST_F(Pms, ReportsFiveButtonsAndWhatChanged)
{
    attach();
    auto e = event({0x09, 0, 0, 0});
    EXPECT_EQ(e.buttons, 1u);
    EXPECT_EQ(e.changed, 1u);
    e = event({0x0b, 0, 0, 0x10});
    EXPECT_EQ(e.buttons, 0b01011u);
    EXPECT_EQ(e.changed, 0b01010u);
    e = event({0x0c, 0, 0, 0x20});
    EXPECT_EQ(e.buttons, 0b10100u);
    EXPECT_EQ(e.changed, 0b11111u);
    send({0x0c, 0, 0, 0x20});  // nothing new
    EXPECT_TRUE(events().empty());
}

TEST_F(Pms, TurnsTheWheelBothWays)
{
    attach();
    EXPECT_EQ(event({0x08, 0, 0, 0x0f}).wheel, 1);  // away from the user
    EXPECT_EQ(event({0x08, 0, 0, 0x01}).wheel, -1);
    EXPECT_EQ(event({0x08, 0, 0, 0x08}).wheel, 8);
    EXPECT_EQ(event({0x08, 0, 0, 0x07}).wheel, -7);
}

TEST_F(Pms, FindsTheNextPacketAfterLostBytes)
{
    attach();
    send({5, 3, 0});  // none of them can be the first
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(event({0x08, 7, 0, 0}).x, 7);
    // Half a packet, and a pause: what follows begins one.
    send({0x08, 0x08});
    machine.now_us += 250'000;
    EXPECT_EQ(event({0x08, 9, 0, 0}).x, 9);
}

TEST_F(Pms, AsksAgainWhenNothingMakesSense)
{
    attach();
    controller.mouse.best_id = 0;  // somebody switched to another mouse
    controller.mouse.id = 0;
    for (int i = 0; i < 8; ++i) send({0x00});
    settle();
    EXPECT_EQ(mouse->model, "PS/2 mouse, 3 buttons");
    EXPECT_EQ(event({0x08, 4, 0}).x, 4);
}

TEST_F(Pms, IsPluggedInLater)
{
    controller.mouse.plugged = false;
    attach();
    EXPECT_TRUE(machine.logged("pms0 at mainbus0 isa: no mouse"));
    EXPECT_LT(machine.now_us, 50'000u);
    machine.now_us += 600'000;
    mouse->poll();
    controller.plug_mouse();
    controller.deliver(machine);
    settle();
    EXPECT_EQ(mouse->model, "PS/2 mouse, 5 buttons, wheel");
    EXPECT_EQ(event({0x08, 4, 0, 0}).x, 4);
    // And pulled out with a button held, in the middle of a packet, and plugged in again.
    EXPECT_EQ(event({0x09, 0, 0, 0}).buttons, 1u);
    send({0x09, 1});
    machine.now_us += 1'000'000;
    controller.plug_mouse();
    controller.deliver(machine);
    auto released = events();
    ASSERT_EQ(released.size(), 1u);
    EXPECT_EQ(released[0].buttons, 0u);
    EXPECT_EQ(released[0].changed, 1u);
    settle();
    EXPECT_EQ(event({0x08, 6, 0, 0}).x, 6);
}

TEST_F(Pms, TakesRefusalsAndGivesUpOnMany)
{
    controller.mouse.refuses = 2;
    attach();
    EXPECT_EQ(mouse->model, "PS/2 mouse, 5 buttons, wheel");
    controller.plug_mouse();
    controller.mouse.refuses = 1000;
    controller.deliver(machine);
    settle();
    EXPECT_EQ(mouse->model, "no mouse");
    EXPECT_GT(controller.mouse.refuses, 990u);
}

TEST_F(Pms, DoesNotHangOnAMouseThatStopsAnswering)
{
    attach();
    controller.plug_mouse();
    controller.mouse.answers = false;
    controller.deliver(machine);
    settle();
    machine.now_us += 600'000;
    settle();
    EXPECT_EQ(mouse->model, "no mouse");
    EXPECT_LT(machine.now_us, 700'000u);
}

TEST_F(Pms, IsNotFoundWithoutThePort)
{
    controller.has_mouse_port = false;
    machine.ports(0x60, 5, controller);
    ASSERT_TRUE(machine.attach(pckbd));
    for (int i = 0; i < 4; ++i) first_input_device()->poll();
    auto lines = machine.log.size();
    EXPECT_EQ(machine.attach(pms).error(), Error::not_found);
    EXPECT_EQ(machine.log.size(), lines);
    EXPECT_EQ(controller.command_byte & 0x30, 0x20);  // the keyboard works, and is alone
    controller.from_keyboard({0x1e, 0x9e});
    controller.deliver(machine);
    EXPECT_EQ(machine.keys, std::vector<int>{'a'});
}

TEST_F(Pms, IsNotFoundWithoutController)
{
    controller.present = false;
    machine.ports(0x60, 5, controller);
    EXPECT_EQ(machine.attach(pms).error(), Error::not_found);
    EXPECT_EQ(machine.now_us, 0u);
}

TEST_F(Pms, GivesUpOnAControllerThatNeverAnswersOrIsAlwaysBusy)
{
    machine.ports(0x60, 5, controller);
    controller.answers = false;
    EXPECT_TRUE(machine.attach(pms));
    EXPECT_TRUE(machine.logged("pms0: not usable"));
    controller.full = true;
    EXPECT_TRUE(machine.attach(pms));
    EXPECT_EQ(first_input_device(), nullptr);
    EXPECT_LT(machine.now_us, 500'000u);
}

TEST_F(Pms, LeavesTheKeyboardsBytesAndTheKeyboardTheMouses)
{
    attach();
    machine.keys.clear();
    controller.from_keyboard({0x1e});
    controller.from_mouse({0x08, 1});
    controller.from_keyboard({0x9e, 0x30, 0xb0});
    controller.from_mouse({2, 0});
    controller.deliver(machine);
    EXPECT_EQ(machine.keys, (std::vector<int>{'a', 'b'}));
    auto all = events();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].x, 1);
    EXPECT_EQ(all[0].y, -2);
    // The handler of the one does not wait for the other.
    controller.from_mouse({0x08});
    machine.interrupt(1);
    EXPECT_EQ(controller.output.size(), 1u);
    machine.interrupt(12);
    controller.from_keyboard({0x1e});
    machine.interrupt(12);
    EXPECT_EQ(controller.output.size(), 1u);
}

TEST_F(Pms, WorksByPollingAndTheLockLightsToo)
{
    machine.interrupts_work = false;
    attach(false);
    machine.port_ranges.clear();
    machine.ports(0x60, 5, controller);
    ASSERT_TRUE(machine.attach(pckbd));
    controller.command_byte &= 0xdf;  // pckbd, as the first, switches the port off
    for (int i = 0; i < 100; ++i) {
        for (InputDevice* d = first_input_device(); d; d = d->next) d->poll();
    }
    machine.keys.clear();
    controller.from_keyboard({0x3a, 0xba, 0x1e});
    controller.from_mouse({0x08, 1, 2, 0});
    controller.from_keyboard({0x9e});
    for (int i = 0; i < 10; ++i) {
        for (InputDevice* d = first_input_device(); d; d = d->next) d->poll();
    }
    EXPECT_EQ(machine.keys, std::vector<int>{'A'});
    EXPECT_EQ(events().size(), 1u);
    EXPECT_EQ(controller.told.back(), 4);  // Caps Lock
}

TEST_F(Pms, SurvivesGarbage)
{
    attach();
    std::minstd_rand random(1);
    for (int i = 0; i < 100'000; ++i) {
        controller.output.push_back({uint8_t(random() >> 8), (random() >> 8 & 1) != 0});
        controller.deliver(machine);
        if (i % 7 == 0) mouse->poll();
        machine.now_us += random() % 1000;
    }
    for (auto& e : events()) {
        EXPECT_LE(std::abs(e.x), 256);
        EXPECT_LE(std::abs(e.y), 256);
        EXPECT_EQ(e.buttons & ~31u, 0u);
    }
    machine.now_us += 600'000;
    controller.output.clear();
    settle();
    machine.now_us += 600'000;
    controller.plug_mouse();
    controller.deliver(machine);
    settle();
    (void)events();
    EXPECT_EQ(event({0x08, 3, 0, 0}).x, 3);
    controller.gone = true;
    machine.interrupt(12);
    mouse->poll();
}

}  // namespace
