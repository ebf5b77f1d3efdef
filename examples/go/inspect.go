// Inspects a picture of raw RGB pixels: inspect ADDRESS MODEL WIDTH HEIGHT FILE
//
// Picture and mask are segments of shared memory, on Linux files of /dev/shm: nothing of them goes through the socket.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	api "edgeagent/lookoutvision"
)

// A segment of our own.
type segment struct {
	name string
	file *os.File
	size uint64
}

func newSegment(what string, size uint64) (*segment, error) {
	name := fmt.Sprintf("/example-%s-%d", what, os.Getpid())
	file, err := os.OpenFile("/dev/shm"+name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0600)
	if err != nil {
		return nil, err
	}
	made := &segment{name, file, size}
	if err := file.Truncate(int64(size)); err != nil {
		made.close()
		return nil, err
	}
	return made, nil
}

func (s *segment) handle() *api.SharedMemoryHandle {
	return &api.SharedMemoryHandle{Name: s.name, Size: s.size}
}

func (s *segment) close() {
	s.file.Close()
	os.Remove("/dev/shm" + s.name)
}

// start starts the model if it does not run, and waits until it does.
func start(ctx context.Context, agent api.EdgeAgentClient, model string) error {
	for {
		found, err := agent.DescribeModel(ctx, &api.DescribeModelRequest{ModelComponent: model})
		if err != nil {
			return err
		}
		switch found.ModelDescription.Status {
		case api.ModelStatus_RUNNING:
			return nil
		case api.ModelStatus_FAILED:
			return fmt.Errorf("%s", found.ModelDescription.StatusMessage)
		case api.ModelStatus_STOPPED:
			if _, err := agent.StartModel(ctx, &api.StartModelRequest{ModelComponent: model}); err != nil {
				return err
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func inspect(address, model string, width, height int, path string) error {
	pixels, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	size := uint64(width) * uint64(height) * 3
	if uint64(len(pixels)) < size {
		return fmt.Errorf("%s has %d bytes, expected %d", path, len(pixels), size)
	}
	picture, err := newSegment("picture", size)
	if err != nil {
		return err
	}
	defer picture.close()
	mask, err := newSegment("mask", size)
	if err != nil {
		return err
	}
	defer mask.close()
	if _, err := picture.file.WriteAt(pixels[:size], 0); err != nil {
		return err
	}

	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer connection.Close()
	agent := api.NewEdgeAgentClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := start(ctx, agent, model); err != nil {
		return err
	}
	response, err := agent.DetectAnomalies(ctx, &api.DetectAnomaliesRequest{
		ModelComponent: model,
		Bitmap: &api.Bitmap{
			Width: int32(width), Height: int32(height),
			Data: &api.Bitmap_SharedMemoryHandle{SharedMemoryHandle: picture.handle()},
		},
		AnomalyMaskParams: &api.AnomalyMaskParams{SharedMemoryHandle: mask.handle()},
	})
	if err != nil {
		return err
	}
	result := response.DetectAnomalyResult
	marked := 0
	if result.AnomalyMask != nil {
		found := make([]byte, size)
		if _, err := mask.file.ReadAt(found, 0); err != nil {
			return err
		}
		for at := 0; at < len(found); at += 3 {
			if found[at] != 255 || found[at+1] != 255 || found[at+2] != 255 {
				marked++
			}
		}
	}
	verdict := "normal"
	if result.IsAnomalous {
		verdict = "anomalous"
	}
	fmt.Printf("%s, confidence %.4f, %.2f %% marked\n", verdict, result.Confidence, 300*float64(marked)/float64(size))
	return nil
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: inspect unix:///PATH MODEL WIDTH HEIGHT FILE")
		os.Exit(2)
	}
	width, wrong := strconv.Atoi(os.Args[3])
	height, other := strconv.Atoi(os.Args[4])
	if wrong != nil || other != nil {
		fmt.Fprintln(os.Stderr, "inspect: width and height are numbers")
		os.Exit(2)
	}
	if err := inspect(os.Args[1], os.Args[2], width, height, os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, "inspect:", status.Convert(err).Message())
		os.Exit(1)
	}
}
