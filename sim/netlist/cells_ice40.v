// iCE40 memories for netlist simulation, after Lattice's Memory Usage Guide for iCE40 Devices
// (FPGA-TN-02002) and its SPRAM usage guide (FPGA-TN-02022).
//
// What the hardware leaves undefined is wrong here on purpose, so that a test sees its use: a bit
// that is read in the cycle in which it is written is inverted, and so is the output of the
// single-port RAM after a write. That RAM starts with arbitrary values.

module SB_RAM40_4K #(
    parameter [1:0] READ_MODE = 0, WRITE_MODE = 0,
    parameter [255:0] INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0,
    parameter [255:0] INIT_4 = 0, INIT_5 = 0, INIT_6 = 0, INIT_7 = 0,
    parameter [255:0] INIT_8 = 0, INIT_9 = 0, INIT_A = 0, INIT_B = 0,
    parameter [255:0] INIT_C = 0, INIT_D = 0, INIT_E = 0, INIT_F = 0
) (
    output reg [15:0] RDATA,
    input RCLK, RCLKE, RE,
    input [10:0] RADDR,
    input WCLK, WCLKE, WE,
    input [10:0] WADDR,
    input [15:0] MASK, WDATA
);
    localparam [4095:0] INIT = {
        INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8,
        INIT_7, INIT_6, INIT_5, INIT_4, INIT_3, INIT_2, INIT_1, INIT_0
    };

    // In mode m a row holds 2**m words; bit i of word n is bit (i << m) + n of the row, and stands
    // at pin (i << m) + PIN.
    localparam WRITE_PIN = WRITE_MODE == 3 ? 3 : WRITE_MODE == 2 ? 1 : 0;
    localparam READ_PIN = READ_MODE == 3 ? 3 : READ_MODE == 2 ? 1 : 0;
    localparam [2:0] WRITE_WORDS = (1 << WRITE_MODE) - 1;
    localparam [2:0] READ_WORDS = (1 << READ_MODE) - 1;

    reg [15:0] rows [0:255];
    wire writing = WE && WCLKE;
    wire [15:0] mask, written, row, word;
    genvar g;

    generate
        for (g = 0; g < 16; g = g + 1) begin : bits
            localparam [2:0] WRITE_WORD = g & WRITE_WORDS;
            localparam FROM = (g >> WRITE_MODE << WRITE_MODE) + WRITE_PIN;
            localparam TO = (g >> READ_MODE << READ_MODE) + READ_PIN;
            assign mask[g] = WRITE_MODE == 0 ? !MASK[g] : (WADDR[10:8] & WRITE_WORDS) == WRITE_WORD;
            assign written[g] = WDATA[FROM];
            if ((g & READ_WORDS) == 0) assign word[TO] = row[g + (RADDR[10:8] & READ_WORDS)];
            else assign word[g - (g & READ_WORDS) + ((g & READ_WORDS) + READ_PIN & READ_WORDS)] = 0;
        end
    endgenerate

    assign row = rows[RADDR[7:0]] ^ (writing && WADDR[7:0] == RADDR[7:0] ? mask : 16'b0);

    integer i;
    initial begin
        for (i = 0; i < 256; i = i + 1) rows[i] = INIT[16 * i +: 16];
        RDATA = 16'hA55A;
    end

    always @(posedge WCLK)
        if (writing) rows[WADDR[7:0]] <= rows[WADDR[7:0]] & ~mask | written & mask;

    always @(posedge RCLK)
        if (RE && RCLKE) RDATA <= word;
endmodule

// Without standby, sleep and power-off: netlist.py refuses them.
module SB_SPRAM256KA (
    input [13:0] ADDRESS,
    input [15:0] DATAIN,
    input [3:0] MASKWREN,
    input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
    output reg [15:0] DATAOUT
);
    reg [15:0] words [0:16383];
    wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};

    integer i;
    initial begin
        for (i = 0; i < 16384; i = i + 1) words[i] = 40503 * i + 12345;
        DATAOUT = 16'hA55A;
    end

    always @(posedge CLOCK)
        if (CHIPSELECT) begin
            if (WREN) begin
                words[ADDRESS] <= words[ADDRESS] & ~mask | DATAIN & mask;
                DATAOUT <= ~DATAOUT;
            end else
                DATAOUT <= words[ADDRESS];
        end
endmodule
