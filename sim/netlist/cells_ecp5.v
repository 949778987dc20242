// ECP5 block RAM and multiplier for netlist simulation, after Lattice's ECP5 Memory Usage Guide
// (FPGA-TN-02204) and sysDSP Usage Guide (FPGA-TN-02205). netlist.py joins numbered pins and the
// initial values, gives both ports one clock, and refuses resets that are not tied off.
//
// What the hardware leaves undefined is wrong here on purpose, so that a test sees its use: a bit
// that one port reads in the cycle in which the other port writes it is inverted, and so is a bit
// that both ports write.

module DP16KD #(
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED",
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL",
    parameter [20479:0] INITVAL = 0
) (
    input CLK,
    input [17:0] DIA, DIB,
    input [13:0] ADA, ADB,
    input [2:0] CSA, CSB,
    input CEA, CEB, OCEA, OCEB, WEA, WEB,
    output [17:0] DOA, DOB
);
    // 512 rows of four bytes of 9 bits. Ports of 1, 2 and 4 bits use 8 bits of a byte. Ports of 18
    // and 36 bits have byte enables at the lowest address pins. A port of 36 bits takes the data
    // pins of both ports: A then only writes, and B only reads.
    localparam PSEUDO = DATA_WIDTH_A == 36, WIDE = DATA_WIDTH_B == 36;

    reg [35:0] rows [0:511];
    reg [35:0] outa, outb;
    wire [8:0] rowa = ADA[13:5], rowb = ADB[13:5];
    wire same = rowa == rowb;
    wire ona, onb, wea, web;
    wire [35:0] maska, maskb, reada, readb;
    wire [35:0] writea = aligned(DATA_WIDTH_A == 36 ? {DIB, DIA} : {18'b0, DIA}, DATA_WIDTH_A, ADA);
    wire [35:0] writeb = aligned({18'b0, DIB}, DATA_WIDTH_B, ADB);

    function [5:0] first(input integer width, input [13:0] address);
        case (width)
            36: first = 0;
            18: first = 18 * address[4];
            9: first = 9 * address[4:3];
            4: first = 9 * address[4:3] + 4 * address[2];
            2: first = 9 * address[4:3] + 2 * address[2:1];
            default: first = 9 * address[4:3] + address[2:0];
        endcase
    endfunction

    function [35:0] aligned(input [35:0] bits, input integer width, input [13:0] address);
        aligned = bits << first(width, address);
    endfunction

    function [35:0] taken(input [35:0] row, input integer width, input [13:0] address);
        taken = row >> first(width, address) & (width == 36 ? ~36'b0 : (36'b1 << width) - 1);
    endfunction

    function [35:0] enabled(input integer width, input [13:0] address);
        case (width)
            36: enabled = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
            18: enabled = aligned({18'b0, {9{address[1]}}, {9{address[0]}}}, 18, address);
            default: enabled = aligned((36'b1 << width) - 1, width, address);
        endcase
    endfunction

    generate
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") DP16KD_CSDECODE_is_not_modelled error();
    endgenerate

    assign ona = CEA && CSA == 0, onb = CEB && CSB == 0;
    assign wea = ona && WEA, web = onb && WEB && !PSEUDO;
    assign maska = wea ? enabled(DATA_WIDTH_A, ADA) : 36'b0;
    assign maskb = web ? enabled(DATA_WIDTH_B, ADB) : 36'b0;
    assign reada = rows[rowa] ^ (same ? maskb : 36'b0);
    assign readb = rows[rowb] ^ (same ? maska : 36'b0);

    integer i;
    initial begin
        for (i = 0; i < 1024; i = i + 1) rows[i / 2][18 * (i % 2) +: 18] = INITVAL[20 * i +: 18];
        outa = 0;
        outb = 0;
    end

    always @(posedge CLK) begin
        if (wea && web && same)
            rows[rowa] <= (rows[rowa] & ~maska | writea & maska) & ~maskb | writeb & maskb
                ^ (maska & maskb);
        else begin
            if (wea) rows[rowa] <= rows[rowa] & ~maska | writea & maska;
            if (web) rows[rowb] <= rows[rowb] & ~maskb | writeb & maskb;
        end
        if (ona && !PSEUDO && (WRITEMODE_A != "NORMAL" || !wea))
            outa <= WRITEMODE_A == "WRITETHROUGH"
                ? taken(reada & ~maska | writea & maska, DATA_WIDTH_A, ADA)
                : taken(reada, DATA_WIDTH_A, ADA);
        if (onb && (WRITEMODE_B != "NORMAL" || !web))
            outb <= WRITEMODE_B == "WRITETHROUGH"
                ? taken(readb & ~maskb | writeb & maskb, DATA_WIDTH_B, ADB)
                : taken(readb, DATA_WIDTH_B, ADB);
    end

    // The lower half of a 36-bit port appears at the pins of A.
    wire [17:0] latcha = WIDE ? outb[17:0] : outa[17:0];
    wire [17:0] latchb = WIDE ? outb[35:18] : outb[17:0];
    reg [17:0] rega = 0, regb = 0;
    always @(posedge CLK) begin
        if (WIDE ? OCEB : OCEA) rega <= latcha;
        if (OCEB) regb <= latchb;
    end
    assign DOA = (WIDE ? REGMODE_B : REGMODE_A) == "OUTREG" ? rega : latcha;
    assign DOB = REGMODE_B == "OUTREG" ? regb : latchb;
endmodule

// The model has no pins for registers and shift inputs: a netlist that uses them does not compile.
module MULT18X18D (
    input [17:0] A, B, C,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output [35:0] P
);
    wire signed [36:0] product =
        $signed({SIGNEDA & A[17], A}) * $signed({SIGNEDB & B[17], B});
    assign P = product[35:0];
endmodule
